"""Traces: one update by loops, the true Q as fixed point, Monte Carlo on policy, and influence as a derivative."""

from dataclasses import replace

import numpy as np
import pytest
from exact import BEHAVIOR, TARGET, enumerated

from mooring.errors import BadInput
from mooring.ope.doubly_robust import direct_method
from mooring.ope.random_mdps import TabularMDP, random_policy
from mooring.ope.tabular import Model, TabularLogs
from mooring.ope.traces import _TRACES, _Operator, traced_values

ALL = ("retrace", "tree-backup", "q-lambda")


def logged(horizon: int | None, episodes: int = 30, seed: int = 0) -> TabularLogs:
    rng = np.random.default_rng(seed)
    mdp = TabularMDP.random(rng, states=3, actions=2, horizon=4, branches=2, ends=0.5, discount=0.8)
    behavior, target = (random_policy(rng, 3, 2, 5.0) for _ in range(2))
    tabular = mdp.logs(mdp.simulate(behavior, episodes, rng), target)
    return replace(tabular, horizon=horizon)


def munos(tabular: TabularLogs, q: np.ndarray, of_one) -> np.ndarray:  # type: ignore[no-untyped-def]
    """Eq. 3 of the paper: each row's sum over the steps after it, averaged over a pair's rows, in loops."""
    logs, total, rows = tabular.logs, np.zeros_like(q), np.zeros_like(q)
    table = lambda t: t if tabular.horizon else 0
    value = lambda t, s: 0.0 if t == tabular.horizon else tabular.target[s] @ q[table(t), s]
    for i in range(len(logs)):
        steps = int(logs.present[i].sum())
        for t in range(steps):
            product, correction = 1.0, 0.0
            for k in range(t, steps):
                s, a, later = tabular.state[i, k], tabular.action[i, k], tabular.next_state[i, k]
                if k > t:
                    product *= logs.discount[i, k - 1] * of_one(logs.ratio[i, k], tabular.target[s, a])
                difference = logs.reward[i, k] + logs.discount[i, k] * value(k + 1, later)
                correction += product * (difference - q[table(k), s, a])
            place = table(t), tabular.state[i, t], tabular.action[i, t]
            total[place] += correction
            rows[place] += 1
    return total / np.maximum(rows, 1)


@pytest.mark.parametrize("horizon", [None, 6])
@pytest.mark.parametrize(
    ("trace", "of_one"),
    [("retrace", lambda ratio, _: min(1.0, ratio)), ("tree-backup", lambda _, p: p), ("q-lambda", lambda *_: 1.0)],
)
def test_an_update_is_its_formula(trace, of_one, horizon) -> None:  # type: ignore[no-untyped-def]
    tabular = logged(horizon)
    operator = _Operator(tabular, 0.9 * _TRACES[trace](tabular))
    q = np.random.default_rng(1).normal(size=operator.shape)
    expected = munos(tabular, q, lambda ratio, p: 0.9 * of_one(ratio, p))
    np.testing.assert_allclose(operator.update(q), expected, atol=1e-12)


@pytest.mark.parametrize("trace", ALL)
@pytest.mark.parametrize("horizon", [None, 3])
def test_the_true_values_are_the_fixed_point(trace, horizon) -> None:  # type: ignore[no-untyped-def]
    mdp, tabular = enumerated()
    tabular = replace(tabular, horizon=horizon)
    expected = (mdp.complete * mdp.reward).sum(2)
    onward = np.einsum("sa,sax->sx", TARGET, mdp.transition)
    v = np.linalg.solve(np.eye(2) - mdp.discount * onward, (TARGET * expected).sum(1))
    truth = mdp.value(TARGET) if horizon else float(mdp.start @ v)
    assert traced_values(tabular, trace, 0.9).start.mean() == pytest.approx(truth, abs=1e-6)


def test_on_policy_retrace_is_q_lambda_and_the_mean_return() -> None:
    tabular = logged(horizon=4, episodes=60)
    own = replace(tabular, logs=replace(tabular.logs, log_target=tabular.logs.log_behavior))
    np.testing.assert_allclose(traced_values(own, "retrace").q, traced_values(own, "q-lambda").q, atol=1e-9)
    _, exact = enumerated(target=BEHAVIOR)
    for trace in ALL:
        assert traced_values(exact, trace).start.mean() == pytest.approx(exact.logs.returns.mean(), abs=1e-6)


@pytest.mark.parametrize("trace", ALL)
def test_without_traces_it_is_the_model(trace) -> None:  # type: ignore[no-untyped-def]
    tabular = logged(horizon=None, episodes=60)
    expected = Model.of(tabular).values()
    found = traced_values(tabular, trace, 0.0)
    np.testing.assert_allclose(found.q, expected.q, atol=1e-6)
    assert found.influence is not None
    assert expected.influence is not None
    np.testing.assert_allclose(found.influence, expected.influence, atol=1e-6)


@pytest.mark.parametrize("horizon", [None, 4])
@pytest.mark.parametrize("trace", ALL)
def test_influence_is_the_derivative_of_counting_an_episode_more(trace, horizon) -> None:  # type: ignore[no-untyped-def]
    tabular = logged(horizon, episodes=100)
    told = lambda by: direct_method(by.logs, traced_values(by, trace, 0.8))
    estimate = told(tabular)
    many = np.repeat(np.arange(len(tabular)), 100)
    more = [told(tabular.take(np.append(many, episode))).value - estimate.value for episode in range(4)]
    influence = estimate.influence()
    np.testing.assert_allclose(np.array(more) * (len(many) + 1), influence[:4], atol=0.01 * np.abs(influence).max())


def test_bad_input_is_refused() -> None:
    tabular = logged(None)
    with pytest.raises(BadInput, match="lambda: 2"):
        traced_values(tabular, "retrace", 2.0)
    endless = replace(tabular.logs, discount=np.where(tabular.logs.present, 1.0, 0.0))
    with pytest.raises(BadInput, match=r"do not settle|for ever"):
        traced_values(replace(tabular, logs=endless), "q-lambda")
