"""Critics are found where agents keep them, and are read as they read themselves."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mooring import registry
from mooring.diagnostics.critics import KINDS, critics_of, read
from mooring.networks.critics import Critic, DiscreteCritic, ManyHeadedCritic, QuantileCritic
from mooring.testing import small_data
from small import small

KEY, OBS, ACTION = jax.random.key(0), jnp.asarray([0.3, -1.0, 2.0]), jnp.asarray([0.5, -0.5])
NO_CRITICS = {"bc", "bc-deterministic", "bc-mixture", "bc-vae", "dt", "awr"}
OF_ANOTHER_KIND = {"td7", "crossq", "balanced-replay"}


@pytest.mark.parametrize(
    ("critic", "action", "q"),
    [
        (Critic.of(KEY, 3, 2, (5,)), ACTION, lambda critic: critic(OBS, ACTION)),
        (Critic.of(KEY, 3, 2, (5,), layer_norm=True), ACTION, lambda critic: critic(OBS, ACTION)),
        (QuantileCritic.of(KEY, 3, 2, 4, (5,)), ACTION, lambda critic: critic(OBS, ACTION).mean()),
        (DiscreteCritic.of(KEY, 3, 4, (5,)), jnp.asarray(2), lambda critic: critic(OBS, jnp.asarray(2))),
        (ManyHeadedCritic.of(KEY, 3, 4, 6, (5,)), jnp.asarray(2), lambda critic: critic.all(OBS)[2]),
    ],
)
def test_every_kind_is_read_as_it_reads_itself(critic, action, q):
    np.testing.assert_allclose(read(critic, OBS, action).value(), q(critic), rtol=1e-5)


@pytest.mark.every
@pytest.mark.parametrize("entry", registry.entries(), ids=lambda entry: entry.class_name)
def test_critics_of_all_algorithms(entry):
    algorithm = small(entry.name, entry.actions[0])
    spec = small_data(entry.actions[0], episodes=5).spec()
    found = jax.eval_shape(lambda key: critics_of(algorithm.init(key, spec)), KEY)
    assert (found is None) == (entry.name in NO_CRITICS | OF_ANOTHER_KIND)
    if found is not None:
        assert isinstance(found.members, KINDS)
        assert found.members.net.layers[0].bias.shape[0] <= 2
        assert found.bonus.shape == ()
