"""Every algorithm whose critics are known can be looked at, in its own form."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mooring import registry
from mooring.diagnostics.critics import critics_of
from mooring.diagnostics.gradients import output_gradient
from mooring.diagnostics.look import dead_share, look_at
from mooring.hooks.watch import Watch
from mooring.networks.mlp import MLP, Linear
from mooring.testing import small_data
from small import small


@pytest.mark.every
@pytest.mark.parametrize("entry", registry.entries(), ids=lambda entry: entry.class_name)
def test_all_algorithms_can_be_looked_at(entry):
    algorithm, data = small(entry.name, entry.actions[0]), small_data(entry.actions[0], episodes=10)
    agent = jax.eval_shape(lambda key: algorithm.init(key, data.spec()), jax.random.key(0))
    found, rows = jax.eval_shape(critics_of, agent), Watch(1, data).rows
    if found is not None:
        seen, count = jax.eval_shape(look_at, algorithm, agent, rows), found.members.net.layers[0].bias.shape[0]
        assert seen.feedback.shape == (count, *rows.reward.shape * 2)


def test_units_that_tell_no_rows_apart_are_dead():
    """Of three units one is never above 0, and one is constant."""
    first = Linear(jnp.asarray([[1.0, 1.0, 0.0]]), jnp.asarray([0.0, -9.0, 2.0]))
    net = MLP((first, Linear(jnp.ones((3, 1)), jnp.zeros(1))), (), jax.nn.relu)
    gradient = jax.vmap(lambda x: output_gradient(net, x, jnp.ones(1)))(jnp.asarray([[1.0], [2.0], [-1.0]]))
    np.testing.assert_allclose(dead_share(gradient), 2 / 3, rtol=1e-6)
