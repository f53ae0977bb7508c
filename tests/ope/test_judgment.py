"""Verdicts, faults, and the choice between estimators."""

import numpy as np
import pytest

from mooring.data import Dataset
from mooring.evaluation.statistics import Estimate
from mooring.ope.contributions import Contributions
from mooring.ope.estimators.importance import per_decision
from mooring.ope.judgment import Evidence, Judgment, agreement, automatic, judge
from mooring.ope.logs import Logs


def bandit(episodes: int, behavior: float, target: float, rng: np.random.Generator, limit: bool = False) -> Logs:
    """One step: action 1, which is taken with those probabilities, brings 1, and action 0 nothing; some noise."""
    action = (rng.random(episodes) < behavior).astype(np.int64)
    ended = np.full(episodes, not limit)
    data = Dataset.build(
        obs=np.zeros((episodes, 1)),
        action=action,
        reward=action + 0.1 * rng.normal(size=episodes),
        terminated=ended,
        truncated=~ended,
        next_obs=np.zeros((episodes, 1)),
    )
    told = lambda prob: (
        np.log(np.where(action, prob, 1 - prob)) if 0 < prob < 1 else np.where(action == prob, 0.0, -np.inf)
    )
    return Logs.of(data, 0.99, told(behavior), told(target))


@pytest.mark.parametrize(("target", "verdict"), [(0.9, "better"), (0.1, "worse"), (0.5, "cannot tell")])
def test_a_policy_is_better_worse_or_neither(target: float, verdict: str) -> None:
    logs = bandit(2000, 0.5, target, np.random.default_rng(0))
    judged = judge("pdis", Evidence(per_decision(logs)), logs, weighted=True)
    assert judged.verdict == verdict
    assert judged.value.low <= target <= judged.value.high
    assert judged.faults == ()


def test_few_effective_episodes_carry_no_verdict() -> None:
    logs = bandit(300, 0.1, 0.9, np.random.default_rng(1))
    judged = judge("pdis", Evidence(per_decision(logs)), logs, weighted=True)
    assert judged.verdict == "data does not support"
    assert "effective episodes of 300: intervals need 100" in judged.faults[0]


def test_actions_that_were_never_logged_carry_no_verdict() -> None:
    rng = np.random.default_rng(2)
    action = rng.integers(0, 2, 5000)
    data = Dataset.build(np.zeros((5000, 1)), action, np.ones(5000), np.ones(5000, bool))
    halves = np.log(np.full(5000, 0.5))
    logs = Logs.of(data, 1.0, halves, np.log(np.full(5000, 0.3)))  # a third action has the other 0.4
    judged = judge("pdis", Evidence(per_decision(logs)), logs, weighted=True)
    assert judged.faults == ("40% to 40% of what the target does was never logged",)


def test_weights_that_are_all_zero_are_said_to_be() -> None:
    logs = bandit(50, 0.5, 0.5, np.random.default_rng(3)).take(np.arange(10))
    data_without = Logs(
        logs.rows, logs.present, logs.reward, logs.discount, logs.groups, logs.log_behavior, logs.log_behavior - np.inf
    )
    judged = judge("pdis", Evidence(per_decision(data_without)), data_without, weighted=True)
    assert judged.verdict == "data does not support"
    assert np.isfinite([judged.value.value, judged.value.low, judged.value.high]).all()


def test_episodes_that_a_time_limit_cut_off_are_counted() -> None:
    logs = bandit(200, 0.5, 0.5, np.random.default_rng(4), limit=True)
    judged = judge("pdis", Evidence(per_decision(logs)), logs, weighted=True)
    assert judged.warnings == ("200 of 200 episodes were cut off while their discount was above 0.01",)


def test_a_policy_does_not_differ_from_itself() -> None:
    logs = bandit(500, 0.5, 0.5, np.random.default_rng(5))
    judged = judge("pdis", Evidence(per_decision(logs)), logs, weighted=True)
    assert (judged.difference.low, judged.difference.high) == pytest.approx((0, 0), abs=1e-12)
    assert judged.verdict == "cannot tell"


def said(name: str, low: float, high: float, fault: str = "") -> Judgment:
    estimate = Estimate((low + high) / 2, float(low), float(high))
    return Judgment(name, estimate, estimate, faults=(fault,) if fault else ())


def test_the_narrowest_that_agrees_with_all_wider_ones_is_gone_by() -> None:
    wide, middle, narrow, off = said("wide", 0, 10), said("middle", 2, 6), said("narrow", 4, 5), said("off", 8, 8.5)
    assert automatic([narrow, wide, middle]).estimator == "narrow"
    assert automatic([off, wide, middle]).estimator == "middle"
    assert "off disagree with middle" in agreement([off, wide, middle])
    assert automatic([said("faulty", 4, 4.1, "why"), wide]).estimator == "wide"


def test_a_constant_estimate_is_judged() -> None:
    logs = bandit(100, 0.5, 0.5, np.random.default_rng(6))
    judged = judge("dm", Evidence(Contributions.mean(np.full(100, 3.0))), logs, weighted=False)
    assert (judged.value.low, judged.value.high) == (3, 3)
    assert judged.verdict == "better"


def test_what_was_learned_several_times_is_as_sure_as_its_learners_agree() -> None:
    logs = bandit(100, 0.5, 0.5, np.random.default_rng(7))
    members = np.array([[1.0, 0.5], [2.0, 1.5], [3.0, 2.5]])  # they differ, but not from their own logs
    evidence = Evidence(Contributions.mean(np.full(100, 2.0)), members=members)
    judged = judge("dm", evidence, logs, weighted=False)
    half = 4.302653 * 1.0  # t(2)
    assert (judged.value.low, judged.value.high) == pytest.approx((2 - half, 2 + half), rel=1e-6)
    assert judged.difference.high - judged.difference.low == pytest.approx(0, abs=1e-9)
