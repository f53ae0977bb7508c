"""Doubly robust estimates against loops from the papers' formulas, their limits, and logs on which they are exact."""

from dataclasses import replace

import numpy as np
import pytest
from exact import TARGET, enumerated

from mooring.ope.contributions import Contributions
from mooring.ope.estimators.doubly_robust import (
    chosen_parameter,
    clip,
    clipped_doubly_robust,
    direct_method,
    doubly_robust,
    shrink,
    shrunk_doubly_robust,
    switch,
    switch_doubly_robust,
    weighted_doubly_robust,
)
from mooring.ope.estimators.importance import importance_sampling, per_decision, weighted_per_decision
from mooring.ope.logs import Logs, Values
from mooring.ope.tabular.model import Model, TabularLogs
from mooring.ope.tabular.random_mdps import TabularMDP, random_policy


def logged(seed: int = 0, episodes: int = 30) -> tuple[TabularLogs, Values]:
    """Episodes of differing length, some of them cut off before the horizon, with the values of a coarse model."""
    rng = np.random.default_rng(seed)
    mdp = TabularMDP.random(rng, states=4, actions=3, horizon=6, branches=2, ends=0.5)
    behavior, target = (random_policy(rng, 4, 3, 2.0) for _ in range(2))
    tabular = replace(mdp.logs(mdp.simulate(behavior, episodes, rng), target), horizon=8)
    return tabular, Model.of(tabular, unseen_reward=1.0).values()


def jiang_li(logs: Logs, values: Values, i: int) -> float:
    """Their recursion from the last row to the first, from the value of what was cut off."""
    last = int(logs.present[i].sum()) - 1
    later = values.v_next[i, last]
    for t in range(last, -1, -1):
        later = values.v[i, t] + logs.ratio[i, t] * (logs.reward[i, t] + logs.discount[i, t] * later - values.q[i, t])
    return float(later)


def thomas_brunskill(logs: Logs, values: Values) -> float:
    """Their estimate: sum over episodes and steps of g (w_t r - w_t q + w_t-1 v), w divided by each step's sum."""
    total, episodes = 0.0, len(logs)
    for i in range(episodes):
        so_far = 1.0
        for t in range(int(logs.present[i].sum())):
            now = logs.weight[i, t] / logs.weight[:, t].sum()
            before = logs.weight[i, t - 1] / logs.weight[:, t - 1].sum() if t else 1 / episodes
            total += so_far * (now * logs.reward[i, t] - now * values.q[i, t] + before * values.v[i, t])
            so_far *= logs.discount[i, t]
        total += so_far * now * values.v_next[i, t]
    return float(total)


def test_doubly_robust_is_the_recursion() -> None:
    tabular, values = logged()
    expected = np.mean([jiang_li(tabular.logs, values, i) for i in range(len(tabular))])
    assert doubly_robust(tabular.logs, values).value == pytest.approx(expected, abs=1e-12)


def test_weighted_is_its_formula() -> None:
    tabular, values = logged()
    expected = thomas_brunskill(tabular.logs, values)
    assert weighted_doubly_robust(tabular.logs, values).value == pytest.approx(expected, abs=1e-12)


def test_without_values_they_are_importance_sampling() -> None:
    tabular, _ = logged()
    logs, nothing = tabular.logs, Values.zero(tabular.logs)
    assert doubly_robust(logs, nothing).value == pytest.approx(per_decision(logs).value, abs=1e-9)
    assert weighted_doubly_robust(logs, nothing).value == pytest.approx(weighted_per_decision(logs).value, abs=1e-9)


@pytest.mark.parametrize(
    ("changed", "of_one"),
    [
        (switch_doubly_robust, lambda w, p: w if w <= p else 0.0),
        (shrunk_doubly_robust, lambda w, p: p / (w**2 + p) * w),
        (clipped_doubly_robust, lambda w, p: min(p, w)),
    ],
)
def test_changed_weights_are_their_formulas_and_have_their_limits(changed, of_one) -> None:  # type: ignore[no-untyped-def]
    tabular, values = logged()
    logs, total = tabular.logs, 0.0
    for i in range(len(logs)):
        weight, so_far, total = 1.0, 1.0, total + values.v[i, 0]
        for t in range(int(logs.present[i].sum())):
            weight *= logs.ratio[i, t]
            difference = logs.reward[i, t] + logs.discount[i, t] * values.v_next[i, t] - values.q[i, t]
            total += so_far * of_one(weight, 1.5) * difference
            so_far *= logs.discount[i, t]
    assert changed(logs, values, 1.5).value == pytest.approx(total / len(logs), abs=1e-12)
    assert changed(logs, values, np.inf).value == doubly_robust(logs, values).value
    assert changed(logs, values, 0.0).value == direct_method(logs, values).value


@pytest.mark.parametrize(
    ("changed", "weighing"),
    [(switch_doubly_robust, switch), (shrunk_doubly_robust, shrink), (clipped_doubly_robust, clip)],
)
def test_parameters_leave_to_values_what_values_are_right_about(changed, weighing) -> None:  # type: ignore[no-untyped-def]
    tabular, values = logged(3, episodes=400)
    assert chosen_parameter(tabular.logs, values, weighing) == 0
    found, expected = changed(tabular.logs, values), direct_method(tabular.logs, values)
    assert found.value == expected.value
    np.testing.assert_allclose(found.influence(), expected.influence(), atol=1e-12)
    wrong = Values(*(np.where(tabular.logs.present, column + 9, 0) for column in (values.q, values.v, values.v_next)))
    assert chosen_parameter(tabular.logs, wrong, weighing) > np.median(tabular.logs.weight)


def test_one_enormous_weight_is_left_to_the_values() -> None:
    tabular, values = logged(4, episodes=60)
    logs = tabular.logs
    assert logs.log_target is not None
    heavy = logs.log_target.copy()
    heavy[0, 0] += np.log(1e4)
    logs = replace(logs, log_target=heavy)
    spread = lambda estimate: estimate.influence().std()
    for changed in (switch_doubly_robust, shrunk_doubly_robust, clipped_doubly_robust):
        assert spread(changed(logs, values)) < spread(doubly_robust(logs, values)) / 20


def test_all_are_exact_where_the_logs_are() -> None:
    mdp, tabular = enumerated()
    logs, truth = tabular.logs, mdp.value(TARGET)
    wrong = Values.constant(logs, 3.0)  # consistent: every V is the mean Q; only the tail at the horizon is 0
    at_end = np.arange(len(logs)), logs.present.sum(1) - 1
    wrong.v_next[at_end] = 0
    for values in (Model.of(tabular).values(), Values.zero(logs), wrong):
        for estimate in (doubly_robust, weighted_doubly_robust):
            assert estimate(logs, values).value == pytest.approx(truth, abs=1e-6)
    assert importance_sampling(logs).value == pytest.approx(truth, abs=1e-6)


def test_a_policy_judged_by_its_own_logs_is_worth_their_mean_whatever_v_if_q_is_v() -> None:
    """With ratios of 1 the sums telescope, where Q is V and nothing is left at the end."""
    tabular, values = logged()
    logs = replace(tabular.logs, log_target=tabular.logs.log_behavior)
    present = logs.present
    v = np.where(present, np.random.default_rng(0).normal(size=present.shape), 0)
    v_next = np.concatenate([v[:, 1:], np.zeros((len(logs), 1))], axis=1)
    values = Values(v, v, v_next)
    for estimate in (doubly_robust, weighted_doubly_robust):
        assert estimate(logs, values).value == pytest.approx(logs.returns.mean(), abs=1e-9)


def test_no_weight_anywhere_leaves_the_direct_method_rather_than_nan() -> None:
    tabular, values = logged()
    logs = replace(tabular.logs, log_target=np.full_like(tabular.logs.reward, -np.inf))
    expected = direct_method(logs, values).value
    for estimate in (doubly_robust, weighted_doubly_robust, switch_doubly_robust, shrunk_doubly_robust):
        found = estimate(logs, values)
        assert isinstance(found, Contributions)
        assert found.value == pytest.approx(expected)
        assert np.isfinite(found.influence()).all()
