"""Kernels from activations and what comes back, against gradients that are written out."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mooring.diagnostics.gradients import kernel, output_gradient, squared_norms
from mooring.networks.mlp import MLP

KEY, DRAW = jax.random.key(0), np.random.default_rng(0)
WEIGHTS = jnp.asarray([0.3, -1.0, 0.5])


def written_out(net, x):
    """The gradient of every example by every parameter, as rows of a matrix."""

    def output(net, x):
        return WEIGHTS @ net(x)

    gradients = jax.jit(jax.vmap(jax.grad(output), in_axes=(None, 0)))(net, x)
    return np.concatenate([np.reshape(leaf, (len(x), -1)) for leaf in jax.tree.leaves(gradients)], axis=1)


def drawn(hidden, activation, layer_norm):
    """A network all of whose parameters are random, those of norms too."""
    form = jax.eval_shape(lambda key: MLP.of(key, 4, hidden, 3, layer_norm=layer_norm, activation=activation), KEY)
    return jax.tree.map(lambda leaf: jnp.asarray(0.5 * DRAW.normal(size=leaf.shape), jnp.float32), form)


@pytest.mark.parametrize(
    ("hidden", "activation", "layer_norm"),
    [
        ((6, 5), jax.nn.elu, True),
        pytest.param((6, 5), jax.nn.relu, False, marks=pytest.mark.every),
        pytest.param((7,), jax.nn.relu, True, marks=pytest.mark.every),
        pytest.param((7,), jax.nn.elu, False, marks=pytest.mark.every),
        ((), jax.nn.relu, False),
    ],
)
def test_kernels_are_those_of_gradients_written_out(hidden, activation, layer_norm):
    net = drawn(hidden, activation, layer_norm)
    x, y = (jnp.asarray(DRAW.normal(size=(rows, 4)), jnp.float32) for rows in (8, 5))
    gradient = jax.jit(jax.vmap(lambda x: output_gradient(net, x, WEIGHTS)))
    expected, others = written_out(net, x), written_out(net, y)
    np.testing.assert_allclose(kernel(gradient(x), gradient(y)), expected @ others.T, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(squared_norms(gradient(x)), (expected**2).sum(axis=1), rtol=1e-4)


def test_hidden_units_are_those_after_the_activation():
    net = MLP.of(KEY, 2, (3, 4), 3)
    hidden = output_gradient(net, jnp.ones(2), WEIGHTS).hidden
    first = jax.nn.relu(net.layers[0](jnp.ones(2)))
    np.testing.assert_allclose(hidden[0], first, rtol=1e-6)
    np.testing.assert_allclose(hidden[1], jax.nn.relu(net.layers[1](first)), rtol=1e-6)
