import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mooring.networks.mlp import MLP, LayerNorm, orthogonal, uniform
from reference import doubles, mlp

KEY = jax.random.key(0)
X = np.random.default_rng(0).normal(size=3)


def test_hidden_layers_have_relu_and_the_last_has_none():
    net = MLP.of(KEY, 3, (8, 6), 4)
    assert [layer.weight.shape for layer in net.layers] == [(3, 8), (8, 6), (6, 4)]
    found = net(jnp.asarray(X, jnp.float32))
    np.testing.assert_allclose(found, mlp(doubles(net), X[None])[0], rtol=1e-4, atol=1e-6)


def test_every_leaf_is_a_float_array():
    net = MLP.of(KEY, 3, (8,), 4, layer_norm=True)
    assert all(leaf.dtype == jnp.float32 for leaf in jax.tree.leaves(net))
    assert len(jax.tree.leaves(net)) == 6


def test_uniform_is_within_one_over_the_root_of_the_inputs():
    weight, bias = uniform(KEY, (16, 400))
    for draw in (weight, bias):
        assert 0.24 < jnp.abs(draw).max() <= 0.25
        assert jnp.std(draw) == pytest.approx(0.5 / 12**0.5, rel=0.1)
    assert not jnp.array_equal(weight[0], bias)


@pytest.mark.parametrize("shape", [(8, 8), (3, 256), (256, 1), (64, 256)])
def test_orthogonal_weights_have_orthonormal_short_sides(shape):
    weight, bias = orthogonal(2**0.5)(KEY, shape)
    weight = np.asarray(weight, np.float64)
    short = weight @ weight.T if shape[0] <= shape[1] else weight.T @ weight
    np.testing.assert_allclose(short, 2 * np.eye(min(shape)), atol=2e-5)
    assert weight.shape == shape
    assert not bias.any()


def test_orthogonal_weights_have_no_preferred_direction():
    corners = jax.vmap(lambda key: orthogonal(1.0)(key, (2, 2))[0])(jax.random.split(KEY, 4000))
    np.testing.assert_allclose(jnp.mean(corners, axis=0), np.zeros((2, 2)), atol=0.04)
    np.testing.assert_allclose(jnp.mean(corners**2, axis=0), np.full((2, 2), 0.5), atol=0.03)


def test_layer_norm_has_zero_mean_and_unit_variance_before_its_scale_and_shift():
    norm = LayerNorm(jnp.asarray([2.0, 1.0, 0.5]), jnp.asarray([0.0, 1.0, -1.0]))
    standard = (X - X.mean()) / np.sqrt(X.var() + 1e-5)
    expected = standard * [2.0, 1.0, 0.5] + [0.0, 1.0, -1.0]
    np.testing.assert_allclose(norm(jnp.asarray(X, jnp.float32)), expected, rtol=1e-4)


def test_norms_stand_before_the_activation():
    net = MLP.of(KEY, 3, (8,), 4, layer_norm=True)
    wide = doubles(net)
    hidden = X @ wide.layers[0].weight + wide.layers[0].bias
    hidden = np.maximum((hidden - hidden.mean()) / np.sqrt(hidden.var() + 1e-5), 0)
    expected = hidden @ wide.layers[1].weight + wide.layers[1].bias
    np.testing.assert_allclose(net(jnp.asarray(X, jnp.float32)), expected, rtol=1e-4, atol=1e-6)
