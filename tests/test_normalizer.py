from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mooring.data.dataset import Dataset
from mooring.data.spaces import Bounds
from mooring.errors import BadInput
from mooring.normalizer import Normalizer
from mooring.sources import Offline, Windows
from mooring.types import Discrete, Image

RNG = np.random.default_rng(0)
LOW, HIGH = np.asarray([-2.0, 0.0, -0.4], np.float32), np.asarray([6.0, 0.3, 0.4], np.float32)


def dataset(**changes):
    obs = RNG.normal([5, -100], [2, 0.01], (60, 2))
    action = RNG.uniform(LOW, HIGH, (60, 3))
    ends = np.arange(60) % 10 == 9
    given = {"next_obs": obs + 1, "action_space": Bounds(LOW, HIGH)} | changes
    return Dataset.build(obs, action, RNG.normal(size=60), ends, **given)


DATA = dataset()
SPEC = DATA.spec()


def test_observations_are_standardized_by_the_data():
    obs = DATA.obs.astype(np.float64)
    expected = (obs - obs.mean(axis=0)) / (obs.std(axis=0) + 1e-3)
    found = jax.vmap(Normalizer(SPEC, True).obs)(jnp.asarray(DATA.obs))
    np.testing.assert_allclose(found, expected, atol=2e-3)


def test_observations_stay_as_they_are_without_standardizing():
    found = jax.vmap(Normalizer(SPEC, False).obs)(jnp.asarray(DATA.obs))
    assert jnp.array_equal(found, DATA.obs)


def test_actions_go_to_the_unit_cube_and_back():
    normalizer = Normalizer(SPEC, True)
    to_unit, from_unit = jax.vmap(normalizer.to_unit), jax.vmap(normalizer.from_unit)
    assert jnp.allclose(to_unit(jnp.stack([LOW, HIGH, (LOW + HIGH) / 2])), jnp.asarray([[-1], [1], [0]]), atol=1e-6)
    assert jnp.allclose(from_unit(to_unit(jnp.asarray(DATA.action))), DATA.action, atol=1e-5)


def test_no_action_passes_its_bounds_by_rounding():
    low = jnp.asarray(RNG.uniform(-3, 0, 5000), jnp.float32)
    high = jnp.asarray(RNG.uniform(0, 3, 5000), jnp.float32)
    space = replace(SPEC.action, low=low, high=high, mean=low, std=high)
    normalizer = Normalizer(replace(SPEC, action=space), True)
    for side in (-1.0, 1.0):
        action = normalizer.from_unit(jnp.full(5000, side))
        assert ((action >= low) & (action <= high)).all()
        assert jnp.allclose(action, low if side < 0 else high, atol=1e-6)


def test_a_batch_changes_units_once():
    spec = DATA.with_reward(scale=10.0, shift=-1.0).spec()
    normalizer = Normalizer(spec, True)
    raw = Offline.of(DATA, ("next_action", "return_to_go")).sample((), jax.random.key(0), 7)
    batch = normalizer.batch(raw)
    assert jnp.allclose(batch.reward, 10 * raw.reward - 1)
    assert jnp.allclose(batch.obs, jax.vmap(normalizer.obs)(raw.obs))
    assert jnp.allclose(batch.next_obs, jax.vmap(normalizer.obs)(raw.next_obs))
    assert jnp.allclose(batch.action, jax.vmap(normalizer.to_unit)(raw.action))
    assert jnp.allclose(batch["next_action"], jax.vmap(normalizer.to_unit)(raw["next_action"]))
    assert jnp.array_equal(batch["return_to_go"], raw["return_to_go"])
    assert jnp.array_equal(batch.continues, raw.continues)


def test_windows_change_units_row_by_row():
    normalizer = Normalizer(SPEC, True)
    raw = Windows.of(DATA, 4).sample((), jax.random.key(0), 5)
    batch = normalizer.batch(raw)
    assert batch.obs.shape == (5, 4, 2)
    assert jnp.allclose(batch.obs[2, 3], normalizer.obs(raw.obs[2, 3]))
    assert jnp.allclose(batch.action[4, 1], normalizer.to_unit(raw.action[4, 1]))


def test_parts_of_a_dict_stand_side_by_side_by_name():
    box = SPEC.obs
    spec = replace(SPEC, obs={"place": box, "kind": Discrete(3)})
    normalizer = Normalizer(spec, False)
    features = normalizer.obs({"place": jnp.asarray([7.0, 8.0]), "kind": jnp.asarray(1)})
    assert features.tolist() == [0, 1, 0, 7, 8]
    assert normalizer.features == 5


def test_discrete_actions_stay():
    normalizer = Normalizer(replace(SPEC, action=Discrete(4)), True)
    assert normalizer.actions == 4
    assert normalizer.to_unit(jnp.asarray(3)) == normalizer.from_unit(jnp.asarray(3)) == 3


def test_integer_valued_continuous_actions_stay_continuous():
    data = dataset()
    data = Dataset.build(data.obs, np.round(RNG.uniform(-1, 1, (60, 1))), data.reward, data.last, next_obs=data.obs)
    normalizer = Normalizer(data.spec(), True)
    assert normalizer.actions == 1
    assert normalizer.to_unit(jnp.asarray([-1.0])).tolist() == [-1]


def test_images_are_refused():
    with pytest.raises(BadInput, match="image"):
        _ = Normalizer(replace(SPEC, obs=Image((8, 8, 3))), True).features
