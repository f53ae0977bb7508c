"""Augmentations against NumPy on the same draws, what they must leave alone, and what every source must pass."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mooring.data.dataset import Dataset
from mooring.sources import Offline, Prioritized, Windows
from mooring.sources.augmented import (
    Adversarial,
    AmplitudeScaling,
    Augmented,
    DimensionDropout,
    GaussianNoise,
    MixUp,
    RandomShift,
    UniformNoise,
)
from mooring.testing import check_source, quick_compilation
from mooring.types import Batch

KEY = jax.random.key(7)
STATE_CHANGES = [GaussianNoise(), UniformNoise(), AmplitudeScaling(), DimensionDropout(), MixUp()]


@pytest.fixture(autouse=True)
def quick():
    with quick_compilation():
        yield


def row(continues=1.0) -> Batch:
    """One transition that is told by two vectors, an image and an integer."""
    image = jnp.arange(5 * 6 * 2, dtype=jnp.uint8).reshape(5, 6, 2)
    obs = {"eye": image, "hand": jnp.array([1.0, -2.0, 3.0]), "room": jnp.asarray(4)}
    next_obs = {"eye": image + 60, "hand": jnp.array([2.0, 0.0, 5.0]), "room": jnp.asarray(5)}
    return Batch(obs, jnp.ones(2), jnp.asarray(0.5), next_obs, jnp.asarray(continues))


def hands(batch: Batch) -> tuple[np.ndarray, np.ndarray]:
    return np.asarray(batch.obs["hand"], np.float64), np.asarray(batch.next_obs["hand"], np.float64)


def draws(change, count=20_000, continues=1.0) -> tuple[np.ndarray, np.ndarray]:
    return hands(jax.jit(jax.vmap(lambda key: change(row(continues), key)))(jax.random.split(KEY, count)))


def test_what_is_not_theirs_is_left_alone():
    before = row()
    of_vectors = jax.jit(lambda key: [change(before, key) for change in STATE_CHANGES])(KEY)
    of_images = jax.jit(lambda key: RandomShift()(before, key))(KEY)
    for after, theirs in [*((each, "hand") for each in of_vectors), (of_images, "eye")]:
        for obs, changed in ((before.obs, after.obs), (before.next_obs, after.next_obs)):
            for part in {"eye", "hand", "room"} - {theirs}:
                np.testing.assert_array_equal(obs[part], changed[part])
            assert changed["eye"].dtype == jnp.uint8
        for field in ("action", "reward", "continues"):
            np.testing.assert_array_equal(getattr(before, field), getattr(after, field))


@pytest.mark.parametrize(
    ("change", "std"), [(GaussianNoise(0.5), 0.5), (UniformNoise(0.6), 0.6 / 3**0.5)], ids=["gaussian", "uniform"]
)
def test_noise_has_its_size_and_is_drawn_apart(change, std):
    obs, next_obs = draws(change)
    noise = np.concatenate([obs - hands(row())[0][None], next_obs - hands(row())[1][None]], axis=1)
    np.testing.assert_allclose(noise.mean(axis=0), 0, atol=0.02)
    np.testing.assert_allclose(noise.std(axis=0), std, rtol=0.02)
    np.testing.assert_allclose(np.corrcoef(noise.T), np.eye(6), atol=0.03)
    if isinstance(change, UniformNoise):
        assert np.abs(noise).max() <= 0.6 + 1e-6


def test_noise_may_differ_by_entry():
    noise = GaussianNoise(jnp.array([0.0, 1.0, 2.0]))
    window = jnp.zeros((5000, 3))
    after = jax.jit(lambda key: noise(Batch(window, window, window[:, 0], window, window[:, 0]), key))(KEY)
    np.testing.assert_allclose(after.obs.std(axis=0), [0, 1, 2], rtol=0.05)


def test_amplitude_scaling_is_one_number_for_the_transition():
    obs, next_obs = draws(AmplitudeScaling(0.6, 1.2))
    scale = obs[:, :1]  # the first entry is 1
    np.testing.assert_allclose(obs, scale * hands(row())[0][None], rtol=1e-6)
    np.testing.assert_allclose(next_obs, scale * hands(row())[1][None], rtol=1e-6)
    assert (scale.min() >= 0.6) & (scale.max() <= 1.2)
    assert scale.mean() == pytest.approx(0.9, abs=0.005)


def test_dimension_dropout_zeroes_the_same_entry_of_both():
    obs, next_obs = draws(DimensionDropout(), 3000)
    gone = obs == 0
    assert gone.sum(axis=1).tolist() == [1] * 3000
    np.testing.assert_allclose(gone.mean(axis=0), 1 / 3, atol=0.04)
    np.testing.assert_array_equal(obs, np.where(gone, 0, hands(row())[0][None]))
    np.testing.assert_array_equal(next_obs, np.where(gone, 0, hands(row())[1][None]))


def test_mix_up_lies_between_the_two_and_spares_terminals():
    obs, next_obs = draws(MixUp(0.4))
    now, after = hands(row())
    share = (obs[:, 0] - after[0]) / (now[0] - after[0])
    np.testing.assert_allclose(obs, share[:, None] * now + (1 - share[:, None]) * after, atol=1e-5)
    np.testing.assert_array_equal(next_obs, np.broadcast_to(after, next_obs.shape))
    assert share.mean() == pytest.approx(0.5, abs=0.01)
    assert share.var() == pytest.approx(0.25 / (2 * 0.4 + 1), rel=0.03)  # of Beta(0.4, 0.4)
    terminal, _ = draws(MixUp(0.4), 50, continues=0.0)
    np.testing.assert_array_equal(terminal, np.broadcast_to(now, terminal.shape))


def test_a_shift_is_a_crop_of_the_padded_image():
    image = np.arange(5 * 6 * 2, dtype=np.uint8).reshape(5, 6, 2)
    padded = np.pad(image, ((2, 2), (2, 2), (0, 0)), mode="edge")
    crops = {padded[y : y + 5, x : x + 6].tobytes(): (y, x) for y in range(5) for x in range(5)}
    shift = jax.jit(jax.vmap(RandomShift(2).shifted, (None, 0)))
    shifted = np.asarray(shift(jnp.asarray(image), jax.random.split(KEY, 2500)))
    found = [crops[each.tobytes()] for each in shifted]
    counts = np.zeros((5, 5))
    np.add.at(counts, tuple(np.array(found).T), 1)
    assert (np.abs(counts - 100) < 50).all()  # 5 standard deviations


def test_obs_and_next_obs_are_shifted_apart_and_frames_of_a_window_together():
    both = jax.jit(jax.vmap(lambda key: RandomShift(2)(row(), key)))(jax.random.split(KEY, 50))
    moved = jnp.all(both.next_obs["eye"] == both.obs["eye"] + 60, axis=(1, 2, 3))
    assert 0 < moved.sum() < 25
    window = jnp.stack([row().obs["eye"], row().obs["eye"] + 100])
    shifted = jax.jit(RandomShift(2).shifted)(window, KEY)
    assert jnp.array_equal(shifted[1], shifted[0] + 100)


def logged(rows=40) -> Dataset:
    obs = np.random.default_rng(0).normal(size=(rows, 3))
    ends = np.arange(rows) % 10 == 9
    return Dataset.build(obs, np.zeros((rows, 1)), np.arange(rows), ends, next_obs=obs[::-1])


def test_they_are_sources_and_wrap_any_source_and_each_other():
    check_source(Augmented(Augmented(Windows.of(logged(), 4), GaussianNoise(0.1)), DimensionDropout()), size=8)


def test_feedback_reaches_the_source():
    prioritized = Augmented(Prioritized.of(logged()), DimensionDropout())
    state = prioritized.init(KEY)
    batch = jax.jit(lambda state: prioritized.sample(state, KEY, 8))(state)
    fed = prioritized.feedback(state, batch, {"td_error": jnp.full(8, 9.0)})
    assert float(fed[1]) > float(state[1])


def test_what_the_host_gives_is_passed_on():
    class Chunks(Offline):
        chunk: int = 0

        def exchanges(self) -> tuple[int, ...]:
            return (5,)

        def at(self, step: int) -> "Chunks":
            return Chunks(self.rows, step)

    source = Augmented(Chunks.of(logged()), GaussianNoise())
    assert source.exchanges() == (5,)
    assert source.at(10).source.chunk == 10


def test_adversarial_states_climb_the_objective_of_the_agent_of_the_last_refresh():
    objective = lambda agent, row: agent["weight"] @ row.obs**2 + row.reward * row.obs[0]
    weight = jnp.array([1.0, -2.0, 0.5])
    source = Adversarial(Offline.of(logged()), {"weight": jnp.zeros(3)}, objective, size=0.1)
    state = source.refresh(source.init(KEY), None, {"weight": weight}, KEY)
    before, after = jax.jit(lambda state: (source.source.sample((), KEY, 16), source.sample(state, KEY, 16)))(state)
    obs, reward = np.asarray(before.obs, np.float64), np.asarray(before.reward, np.float64)
    slope = 2 * np.asarray(weight)[None] * obs + reward[:, None] * np.array([[1, 0, 0]])
    np.testing.assert_allclose(after.obs, obs + 0.1 * slope, rtol=1e-5, atol=1e-5)
    assert jnp.array_equal(after.next_obs, before.next_obs)


def test_adversarial_states_of_dicts():
    source = Adversarial(
        Offline.of(logged()), jnp.ones(()), lambda agent, row: agent * jnp.sum(row.obs["hand"] ** 2), 0.5
    )
    moved = source.moved(jnp.ones(()), row())
    np.testing.assert_allclose(moved.obs["hand"], 2 * row().obs["hand"])
    assert jnp.array_equal(moved.obs["eye"], row().obs["eye"])
