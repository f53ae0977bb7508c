"""The expected square of weights: against what is known, and where the log itself looks well."""

import jax.numpy as jnp
import numpy as np
import pytest

from mooring.data import Dataset
from mooring.environments.domains.icu_sepsis import Clinicians
from mooring.ope.estimating import estimate
from mooring.ope.estimators.importance import effective_size
from mooring.ope.logs import Logs
from mooring.ope.tabular.model import TabularLogs
from mooring.ope.tabular.second_moment import expected_effective_size

STAYS = 0.8  # the probability that an episode goes on, after each action


def logged(
    rng: np.random.Generator, episodes: int, taken: float, wanted: float, limit: int | None = None
) -> TabularLogs:
    """One state; action 1 is taken with one probability and wanted with another. With a limit, none ends before it."""
    lengths = rng.geometric(1 - STAYS, episodes) if limit is None else np.full(episodes, limit)
    rows = int(lengths.sum())
    ends = np.zeros(rows, bool)
    ends[lengths.cumsum() - 1] = True
    action, state = (rng.uniform(size=rows) < taken).astype(int), np.zeros(rows, int)
    data = Dataset.build(state, action, np.ones(rows), ends & (limit is None), ends, next_obs=state)
    of = lambda share: np.log(np.where(action == 1, share, 1 - share))
    logs = Logs.of(data, 1.0, of(taken), of(wanted))
    return TabularLogs.of(logs, state, action, state, np.array([[1 - wanted, wanted]]), limit)


def square(taken: float, wanted: float) -> float:
    """E[ratio^2] of a row."""
    return wanted**2 / taken + (1 - wanted) ** 2 / (1 - taken)


def test_of_a_time_limit_it_is_that_of_all_steps() -> None:
    tabular = logged(np.random.default_rng(0), 4000, 0.5, 0.6, limit=10)
    assert expected_effective_size(tabular) == pytest.approx(4000 / square(0.5, 0.6) ** 10, rel=0.05)


def test_of_episodes_that_end_it_is_the_sum_over_their_lengths() -> None:
    each = square(0.5, 0.6)
    exact = (1 - STAYS) * each / (1 - STAYS * each)
    found = expected_effective_size(logged(np.random.default_rng(1), 8000, 0.5, 0.6))
    assert found == pytest.approx(8000 / exact, rel=0.1)


def test_a_log_looks_well_whose_weights_have_no_variance() -> None:
    rng = np.random.default_rng(2)
    assert STAYS * square(0.5, 0.85) > 1  # the expected square is infinite
    found = [logged(rng, 2000, 0.5, 0.85) for _ in range(20)]
    by_log = [effective_size(each.logs) for each in found]
    by_model = [expected_effective_size(each) for each in found]
    assert np.mean(np.array(by_log) >= 100) > 0.3
    assert max(by_model) < 0.5 * np.median(by_log)


def test_a_policy_judged_by_its_own_log_has_all_episodes() -> None:
    assert expected_effective_size(logged(np.random.default_rng(3), 50, 0.3, 0.3)) == pytest.approx(50)


def test_an_estimate_by_such_weights_carries_no_verdict() -> None:
    tabular = logged(np.random.default_rng(4), 600, 0.5, 0.85)
    rows = tabular.logs.present
    state, action = (column[rows].astype(int) for column in (tabular.state, tabular.action))
    ends, known = tabular.logs.discount[rows] == 0, {"action_log_prob": np.full(len(state), np.log(0.5))}
    data = Dataset.build(state, action, np.ones(len(state)), ends, next_obs=state, extra=known)
    policy = Clinicians(jnp.array([[0.15, 0.85]]))
    found = estimate(policy, data, discount=0.9, estimators=("pdis",), sampled=True)
    assert any(fault.startswith("by a model, ") for fault in found["pdis"].faults)
    assert found.verdict == "data does not support"
