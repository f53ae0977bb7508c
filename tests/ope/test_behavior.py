"""Estimated behavior probabilities: near the true ones, from other episodes only, and refused where none can be."""

import numpy as np
import pytest

from mooring.algorithms.imitation.bc import BC, DeterministicBC
from mooring.data import Dataset
from mooring.errors import BadInput
from mooring.ope.behavior import LOGGED, behavior_of, cloned, counted
from mooring.testing import quick_compilation

LENGTH = 4  # rows of each episode


def made(obs: np.ndarray, action: np.ndarray, **more: object) -> Dataset:
    last = np.arange(len(obs)) % LENGTH == LENGTH - 1
    return Dataset.build(obs, action, np.zeros(len(obs)), last, next_obs=obs, **more)


def numbers(rng: np.random.Generator, rows: int) -> tuple[Dataset, np.ndarray]:
    """Three states and two actions, and the true probability of each action that was taken."""
    state = rng.integers(0, 3, rows)
    first = np.array([0.2, 0.5, 0.9])[state]
    action = (rng.uniform(size=rows) > first).astype(int)
    return made(state, action), np.where(action == 0, first, 1 - first)


def choices(rng: np.random.Generator, rows: int) -> tuple[Dataset, np.ndarray]:
    """Three actions by a softmax of the observation."""
    obs = rng.normal(size=(rows, 2)).astype(np.float32)
    logits = obs @ np.array([[1.0, -1.0, 0.0], [0.0, 1.0, -1.0]])
    probability = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    action = (rng.uniform(size=(rows, 1)) > probability.cumsum(1)).sum(1)
    return made(obs, action), probability[np.arange(rows), action]


def doses(rng: np.random.Generator, rows: int) -> tuple[Dataset, np.ndarray]:
    """tanh of a normal number about half of the observation."""
    obs = rng.normal(size=(rows, 1)).astype(np.float32)
    before = obs / 2 + 0.4 * rng.normal(size=(rows, 1))
    action = np.tanh(before)
    density = np.exp(-(((before - obs / 2) / 0.4) ** 2) / 2) / 0.4 / np.sqrt(2 * np.pi) / (1 - action**2)
    return made(obs, action), density[:, 0]


def test_counts_are_of_other_episodes_and_near_the_truth() -> None:
    data, true = numbers(np.random.default_rng(0), 4000)
    found = counted(data)
    assert np.abs(np.exp(found.log_prob) - true).mean() < 0.02
    assert found.calibration is not None
    assert found.calibration.calibrated
    assert len(found.warnings) == 1
    action = data.action.copy()
    action[:LENGTH] = 1 - action[:LENGTH]  # the first episode's own actions
    probability = np.exp(found.log_prob[:LENGTH])
    turned = np.exp(counted(made(np.asarray(data.obs), action)).log_prob[:LENGTH])
    np.testing.assert_allclose(turned, 1 - probability, atol=1e-12)


def test_counts_are_smoothed_by_the_shares_of_all_states() -> None:
    state, action = np.array([0, 0, 0, 0, 1, 1, 1, 1]), np.array([0, 0, 0, 1, 1, 1, 1, 0])
    found = np.exp(counted(made(state, action), smoothing=2.0, folds=2).log_prob)
    overall = np.array([[2, 4], [4, 2]]) / 6  # of each episode's actions: those of the other, and one of each
    expected = [overall[0 if row < 4 else 1][action[row]] for row in range(8)]  # no other row is in its state
    np.testing.assert_allclose(found, expected)


@pytest.mark.parametrize("kind", [choices, doses])
def test_a_cloned_policy_is_near_the_truth_and_calibrated(kind) -> None:  # type: ignore[no-untyped-def]
    data, true = kind(np.random.default_rng(1), 2400)
    with quick_compilation():
        found = cloned(data, BC(hidden=(32, 32), squashed=True, learning_rate=3e-3), updates=320, folds=2)
    assert abs((found.log_prob - np.log(true)).mean()) < 0.05
    assert np.abs(found.log_prob - np.log(true)).mean() < 0.2
    assert found.calibration is not None
    assert found.calibration.calibrated, found.calibration.reason


def test_what_is_known_is_taken_before_what_is_estimated() -> None:
    data, true = numbers(np.random.default_rng(3), 80)
    given = behavior_of(data, true)
    np.testing.assert_allclose(given.log_prob, np.log(true))
    assert (given.origin, given.warnings) == ("given", ())
    known = made(np.asarray(data.obs), data.action, extra={LOGGED: np.log(true)})
    assert behavior_of(known).origin == "logged"
    np.testing.assert_allclose(behavior_of(known).log_prob, np.log(true), rtol=1e-6)
    assert behavior_of(data).origin == "counted"


def test_what_can_not_be_is_refused() -> None:
    data, true = numbers(np.random.default_rng(4), 80)
    true[7] = 0
    with pytest.raises(BadInput, match="1 probabilities are not above 0, first row 7"):
        behavior_of(data, true)
    with pytest.raises(BadInput, match="1 units"):
        counted(data.select([0]))
    grouped = made(np.asarray(data.obs), data.action, extra={"group": np.zeros(80, int)})
    with pytest.raises(BadInput, match="1 units"):
        counted(grouped)
    with pytest.raises(BadInput, match="not numbers"):
        counted(doses(np.random.default_rng(5), 8)[0])


@pytest.mark.every
def test_a_policy_without_probabilities_and_one_that_learned_nothing_say_so() -> None:
    with pytest.raises(BadInput, match="does not tell"):
        cloned(doses(np.random.default_rng(5), 80)[0], DeterministicBC(hidden=(8,)), updates=2, folds=2)
    data, _ = choices(np.random.default_rng(2), 1200)
    found = cloned(data, BC(hidden=(16,), learning_rate=3e-3), updates=8, folds=2)
    assert "not calibrated" in found.warnings[1]
