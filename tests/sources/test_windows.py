"""`Windows`: every window that can be drawn from small data, against slices of the episodes as they were logged."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mooring.data.dataset import Dataset
from mooring.data.episodes import Episode
from mooring.sources import Windows
from mooring.testing import check_source

LENGTHS = (1, 2, 5, 3, 1)


def episode(number: int, steps: int) -> Episode:
    """Each entry tells its episode and step, and what kind it is: obs n.t0, action n.t1, reward n.t2."""
    obs = number + np.arange(steps + 1) / 10
    return Episode(
        {"place": np.stack([obs, -obs], axis=1).astype(np.float32), "flag": np.arange(steps + 1) % 2},
        (obs[:-1, None] + 0.01).astype(np.float32) / 10,
        (obs[:-1] + 0.02).astype(np.float32),
        terminated=number % 2 == 0,
        extra={"tag": 100 * number + np.arange(steps)},
    )


EPISODES = [episode(number, steps) for number, steps in enumerate(LENGTHS)]
DATA = Dataset.from_episodes(EPISODES)


def cut(tree: Any, index: int | slice) -> Any:
    return jax.tree.map(lambda column: column[index], tree)


@pytest.mark.parametrize("length", [1, 2, 3, 5, 8])
def test_every_window_holds_the_steps_of_one_episode_in_order(length: int) -> None:
    source = Windows.of(DATA, length, columns=("tag",))
    windows = jax.device_get(source.starting_at(jnp.arange(len(DATA))))
    row = 0
    for lived in EPISODES:
        steps = len(lived.action)
        for first in range(steps):
            count = min(length, steps - first)
            window = cut(windows, row)
            assert window.extra["mask"].tolist() == [0.0] * (length - count) + [1.0] * count
            real = cut(window, slice(length - count, None))
            until = first + count
            np.testing.assert_array_equal(real.obs["place"], lived.obs["place"][first:until])
            np.testing.assert_array_equal(real.obs["flag"], lived.obs["flag"][first:until])
            np.testing.assert_array_equal(real.next_obs["place"], lived.obs["place"][first + 1 : until + 1])
            np.testing.assert_array_equal(real.action, lived.action[first:until])
            np.testing.assert_array_equal(real.reward, lived.reward[first:until])
            np.testing.assert_array_equal(real.extra["tag"], lived.extra["tag"][first:until])
            np.testing.assert_array_equal(real.extra["timestep"], np.arange(first, until))
            to_go = [lived.reward[step:].astype(np.float64).sum() for step in range(first, until)]
            np.testing.assert_allclose(real.extra["return_to_go"], to_go, rtol=1e-6)
            ended = [step == steps - 1 and lived.terminated for step in range(first, until)]
            assert (real.continues == 0).tolist() == ended
            row += 1
    assert row == len(DATA)


def test_padding_repeats_the_first_step() -> None:
    windows = Windows.of(DATA, 4).starting_at(jnp.array([1]))  # the first row of the episode of two steps
    assert windows["timestep"].tolist() == [[0, 0, 0, 1]]
    np.testing.assert_array_equal(windows.obs["flag"], [[0, 0, 0, 1]])


def test_starts_are_uniform_over_rows() -> None:
    source = Windows.of(DATA, 3, columns=("row",))
    draws = 24_000
    windows = jax.jit(lambda key: source.sample((), key, draws))(jax.random.key(0))
    assert windows.reward.shape == (draws, 3)
    first = np.asarray(windows["row"])[np.arange(draws), np.argmax(np.asarray(windows["mask"]), axis=1)]
    counts = np.bincount(first, minlength=len(DATA))
    expected = draws / len(DATA)
    assert np.all(np.abs(counts - expected) < 5 * expected**0.5)


def test_it_is_a_source() -> None:
    check_source(Windows.of(DATA, 3), DATA)
