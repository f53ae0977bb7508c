"""Importance sampling against sums written out in loops over episodes, and where target and behavior are one."""

import numpy as np
import pytest

from mooring.data import Dataset
from mooring.errors import BadInput
from mooring.ope.estimators.importance import (
    effective_size,
    importance_sampling,
    per_decision,
    weighted_importance_sampling,
    weighted_per_decision,
)
from mooring.ope.logs import Logs

ALL = (importance_sampling, weighted_importance_sampling, per_decision, weighted_per_decision)


def logged(rng: np.random.Generator, lengths: tuple[int, ...] = (3, 1, 5, 2, 4)) -> Dataset:
    """Episodes of random numbers, every other one cut off by a time limit; some rows stand for more than a step."""
    rows = sum(lengths)
    ends = np.cumsum(lengths) - 1
    last = np.zeros(rows, bool)
    last[ends] = True
    terminated = np.zeros(rows, bool)
    terminated[ends[::2]] = True
    return Dataset.build(
        obs=rng.normal(size=(rows, 2)).astype(np.float32),
        action=rng.integers(0, 3, rows),
        reward=rng.normal(size=rows),
        terminated=terminated,
        truncated=last & ~terminated,
        next_obs=rng.normal(size=(rows, 2)).astype(np.float32),
        continues=np.where(terminated, 0.0, rng.choice([1.0, 0.8], rows)),
    )


def by_hand(data: Dataset, ratio: np.ndarray, discount: float) -> dict[str, float]:
    """Each estimate in loops, from its formula."""
    steps = int(data.lengths.max())
    episodes = len(data.lengths)
    weight, gain = np.ones((episodes, steps)), np.zeros((episodes, steps))
    for i, (start, length) in enumerate(zip(data.starts, data.lengths, strict=True)):
        product, so_far = 1.0, 1.0
        for t in range(steps):
            if t < length:
                row = start + t
                product *= ratio[row]
                gain[i, t] = so_far * float(data.reward[row])
                so_far *= discount * float(data.continues[row])
            weight[i, t] = product
    whole = [weight[i, -1] * gain[i].sum() for i in range(episodes)]
    each = [sum(weight[i, t] * gain[i, t] for t in range(steps)) for i in range(episodes)]
    shares = [sum(weight[:, t] * gain[:, t]) / sum(weight[:, t]) for t in range(steps)]
    return {
        "importance_sampling": sum(whole) / episodes,
        "weighted_importance_sampling": sum(whole) / sum(weight[:, -1]),
        "per_decision": sum(each) / episodes,
        "weighted_per_decision": sum(shares),
    }


def test_each_estimate_is_its_formula() -> None:
    rng = np.random.default_rng(0)
    data = logged(rng)
    behavior, target = rng.uniform(0.2, 1, (2, len(data)))
    logs = Logs.of(data, 0.9, np.log(behavior), np.log(target))
    expected = by_hand(data, target / behavior, 0.9)
    for estimator in ALL:
        assert estimator(logs).value == pytest.approx(expected[estimator.__name__], abs=1e-12)


@pytest.mark.parametrize("estimator", ALL)
def test_a_policy_judged_by_its_own_logs_is_worth_their_mean(estimator) -> None:  # type: ignore[no-untyped-def]
    rng = np.random.default_rng(1)
    data = logged(rng)
    log_prob = np.log(rng.uniform(0.2, 1, len(data)))
    logs = Logs.of(data, 0.9, log_prob, log_prob)
    assert estimator(logs).value == pytest.approx(logs.returns.mean(), abs=1e-12)
    assert effective_size(logs) == pytest.approx(data.num_episodes)


def test_the_weights_of_no_episode_are_zero_rather_than_nan() -> None:
    data = logged(np.random.default_rng(2))
    logs = Logs.of(data, 0.9, np.zeros(len(data)), np.full(len(data), -np.inf))
    assert [estimator(logs).value for estimator in ALL] == [0, 0, 0, 0]
    assert effective_size(logs) == 0


@pytest.mark.parametrize(
    ("behavior", "trouble"),
    [(-np.inf, "is 0"), (np.nan, "not a number"), (0.5, "above 1")],
)
def test_impossible_probabilities_are_refused(behavior: float, trouble: str) -> None:
    data = logged(np.random.default_rng(3))
    log_behavior = np.zeros(len(data))
    log_behavior[4] = behavior
    with pytest.raises(BadInput, match=f"{trouble}.* in 1 rows, first row 4"):
        Logs.of(data, 0.9, log_behavior, np.zeros(len(data)))


def test_unknown_probabilities_are_refused() -> None:
    data = logged(np.random.default_rng(4))
    with pytest.raises(BadInput, match="behavior policy's probabilities are not known"):
        per_decision(Logs.of(data, 0.9))


def test_one_episode_is_refused() -> None:
    data = logged(np.random.default_rng(5)).select([0])
    with pytest.raises(BadInput, match="one episode"):
        Logs.of(data, 0.9)
