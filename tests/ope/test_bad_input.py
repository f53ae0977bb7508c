"""What logs may bring: each has a clear error or a flagged result, and nothing is NaN."""

import numpy as np
import pytest

from mooring.data import Dataset
from mooring.errors import BadInput
from mooring.ope.contributions import Contributions
from mooring.ope.estimators.distributional import cvar, quantile, variance
from mooring.ope.estimators.doubly_robust import direct_method, doubly_robust, weighted_doubly_robust
from mooring.ope.estimators.importance import (
    effective_size,
    importance_sampling,
    per_decision,
    weighted_importance_sampling,
    weighted_per_decision,
)
from mooring.ope.intervals import bca_bootstrap, student_t, studentized_bootstrap
from mooring.ope.judgment import Evidence, judge
from mooring.ope.logs import Logs, Values


def episodes(lengths: list[int], **more: object) -> Dataset:
    rng, rows = np.random.default_rng(0), sum(lengths)
    last = np.zeros(rows, bool)
    last[np.cumsum(lengths) - 1] = True
    state = rng.integers(0, 4, rows)
    return Dataset.build(state, rng.integers(0, 2, rows), rng.normal(size=rows), last, next_obs=state, **more)


def estimates(logs: Logs) -> dict[str, Contributions]:
    values = Values.constant(logs, 0.3)
    by_weights = (importance_sampling, weighted_importance_sampling, per_decision, weighted_per_decision)
    return {each.__name__: each(logs) for each in by_weights} | {
        "dr": doubly_robust(logs, values),
        "wdr": weighted_doubly_robust(logs, values),
        "dm": direct_method(logs, values),
        "quantile": quantile(logs, 0.2),
        "cvar": cvar(logs, 0.2),
        "variance": variance(logs),
    }


def check_finite(logs: Logs) -> None:
    for name, estimate in estimates(logs).items():
        for interval in (student_t, studentized_bootstrap, bca_bootstrap):
            found = interval(estimate) if interval is student_t else interval(estimate, resamples=100)
            assert np.isfinite([found.value, found.low, found.high]).all(), (name, interval.__name__)


def test_episodes_of_a_single_step_are_as_good_as_others() -> None:
    data = episodes([1] * 60)
    half = np.full(60, np.log(0.5))
    logs = Logs.of(data, 0.9, half, np.log(np.where(data.action == 0, 0.7, 0.3)))
    check_finite(logs)
    assert per_decision(logs).value == pytest.approx(importance_sampling(logs).value)


def test_weights_that_are_all_zero_are_flagged_and_finite() -> None:
    data = episodes([3] * 20)
    logs = Logs.of(data, 0.9, np.full(60, np.log(0.5)), np.full(60, -np.inf))
    check_finite(logs)
    assert effective_size(logs) == 0
    for name, estimate in estimates(logs).items():
        assert judge(name, Evidence(estimate), logs, weighted=True).verdict == "data does not support"


def test_weights_beyond_all_numbers_are_flagged_and_finite() -> None:
    data = episodes([400] * 5 + [3])
    rng = np.random.default_rng(1)
    logs = Logs.of(data, 0.99, np.full(2003, -3.0), -rng.uniform(size=2003) * 0.01)  # 3 in each step: e^1200
    check_finite(logs)
    assert effective_size(logs) < 5
    assert judge("is", Evidence(importance_sampling(logs)), logs, weighted=True).verdict == "data does not support"


def test_two_episodes_are_enough_for_an_interval_and_one_group_is_not() -> None:
    data = episodes([2, 3], extra={"group": np.array([0, 0, 1, 1, 1])})
    half = np.full(5, np.log(0.5))
    check_finite(Logs.of(data, 0.9, half, half))
    with pytest.raises(BadInput, match="2 episodes are all of one group"):
        Logs.of(episodes([2, 3], extra={"group": np.zeros(5, int)}), 0.9, half, half)
    with pytest.raises(BadInput, match="there is one episode"):
        Logs.of(episodes([5]), 0.9, half, half)


def test_probabilities_that_are_no_numbers_are_refused() -> None:
    with pytest.raises(BadInput, match="not a number"):
        Logs.of(episodes([2, 3]), 0.9, np.full(5, np.nan), np.zeros(5))
