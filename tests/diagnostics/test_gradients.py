"""Kernels from activations and what comes back, against gradients that are written out."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mooring.diagnostics.gradients import kernel, output_gradient, squared_norms
from mooring.networks.mlp import MLP

WEIGHTS = jnp.asarray([0.3, -1.0, 0.5])


def written_out(net, x):
    """The gradient of every example by every parameter, as rows of a matrix."""

    def output(net, x):
        return WEIGHTS @ net(x)

    gradients = jax.vmap(jax.grad(output), in_axes=(None, 0))(net, x)
    return np.concatenate([np.reshape(leaf, (len(x), -1)) for leaf in jax.tree.leaves(gradients)], axis=1)


def perturbed(net, key):
    """All parameters different, those of norms too."""
    leaves, form = jax.tree.flatten(net)
    keys = jax.random.split(key, len(leaves))
    moved = [leaf + 0.3 * jax.random.normal(k, leaf.shape) for leaf, k in zip(leaves, keys, strict=True)]
    return jax.tree.unflatten(form, moved)


@pytest.mark.parametrize("layer_norm", [False, True])
@pytest.mark.parametrize(("hidden", "activation"), [((7,), jax.nn.relu), ((6, 5), jax.nn.elu), ((), jax.nn.relu)])
def test_kernels_are_those_of_gradients_written_out(hidden, activation, layer_norm):
    net_key, moved_key, x_key, y_key = jax.random.split(jax.random.key(0), 4)
    net = perturbed(MLP.of(net_key, 4, hidden, 3, layer_norm=layer_norm, activation=activation), moved_key)
    x, y = jax.random.normal(x_key, (8, 4)), jax.random.normal(y_key, (5, 4))
    gradient = jax.vmap(lambda x: output_gradient(net, x, WEIGHTS))
    expected, others = written_out(net, x), written_out(net, y)
    np.testing.assert_allclose(kernel(gradient(x), gradient(y)), expected @ others.T, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(squared_norms(gradient(x)), (expected**2).sum(axis=1), rtol=1e-4)


def test_hidden_units_are_those_after_the_activation():
    net = MLP.of(jax.random.key(0), 2, (3, 4), 3)
    hidden = output_gradient(net, jnp.ones(2), WEIGHTS).hidden
    first = jax.nn.relu(net.layers[0](jnp.ones(2)))
    np.testing.assert_allclose(hidden[0], first, rtol=1e-6)
    np.testing.assert_allclose(hidden[1], jax.nn.relu(net.layers[1](first)), rtol=1e-6)
