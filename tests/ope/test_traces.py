"""Traces: one update by loops, the true Q as fixed point, Monte Carlo on policy, and influence as a derivative."""

from dataclasses import replace

import numpy as np
import pytest
from exact import BEHAVIOR, TARGET, enumerated

from mooring.errors import BadInput
from mooring.ope.estimators.doubly_robust import direct_method
from mooring.ope.tabular import model as tabular_module
from mooring.ope.tabular.model import Model, TabularLogs
from mooring.ope.tabular.random_mdps import TabularMDP, random_policy
from mooring.ope.tabular.traces import _TRACES, solved, traced_values

ALL = ("retrace", "tree-backup", "q-lambda")


def logged(horizon: int | None, episodes: int = 30, seed: int = 0) -> TabularLogs:
    rng = np.random.default_rng(seed)
    mdp = TabularMDP.random(rng, states=3, actions=2, horizon=4, branches=2, ends=0.5, discount=0.8)
    behavior, target = (random_policy(rng, 3, 2, 5.0) for _ in range(2))
    tabular = mdp.logs(mdp.simulate(behavior, episodes, rng), target)
    return replace(tabular, horizon=horizon)


def mean_corrections(tabular: TabularLogs, q: np.ndarray, of_one) -> np.ndarray:  # type: ignore[no-untyped-def]
    """The operator of the paper: each row's sum over the steps after it, averaged over a pair's rows, in loops.

    With a horizon the table of timestep k is that of horizon - k steps left, and the sum ends when none is left.
    """
    logs, total, rows = tabular.logs, np.zeros_like(q), np.zeros_like(q)
    for first in range(len(q)):
        table = lambda k, first=first: first + k if tabular.horizon else 0
        for i, t in np.argwhere(logs.present):
            product, correction = 1.0, 0.0
            for k in range(t, int(logs.present[i].sum())):
                if table(k - t) >= len(q):
                    break
                s, a, later = tabular.state[i, k], tabular.action[i, k], tabular.next_state[i, k]
                if k > t:
                    product *= logs.discount[i, k - 1] * of_one(logs.ratio[i, k], tabular.target[s, a])
                after = table(k + 1 - t)
                v = tabular.target[later] @ q[after, later] if after < len(q) else 0.0
                correction += product * (logs.reward[i, k] + logs.discount[i, k] * v - q[table(k - t), s, a])
            place = first, tabular.state[i, t], tabular.action[i, t]
            total[place] += correction
            rows[place] += 1
    return total / np.maximum(rows, 1)


@pytest.mark.parametrize("horizon", [None, 6])
@pytest.mark.parametrize(
    ("trace", "of_one"),
    [("retrace", lambda ratio, _: min(1.0, ratio)), ("tree-backup", lambda _, p: p), ("q-lambda", lambda *_: 1.0)],
)
def test_corrections_are_zero_on_average(trace, of_one, horizon) -> None:  # type: ignore[no-untyped-def]
    tabular = logged(horizon)
    found, _ = solved(tabular, 0.9 * _TRACES[trace](tabular), 1e-12)
    left = mean_corrections(tabular, found.q, lambda ratio, p: 0.9 * of_one(ratio, p))
    np.testing.assert_allclose(left, 0, atol=1e-9)
    wrong = mean_corrections(tabular, found.q + 0.1, lambda ratio, p: 0.9 * of_one(ratio, p))
    assert np.abs(wrong).max() > 0.01


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


@pytest.mark.parametrize("horizon", [None, 6])
@pytest.mark.parametrize("trace", ALL)
def test_without_traces_it_is_the_model(trace, horizon) -> None:  # type: ignore[no-untyped-def]
    tabular = logged(horizon, episodes=60)
    expected = Model.of(tabular).values()
    found = traced_values(tabular, trace, 0.0)
    np.testing.assert_allclose(found.q, expected.q, atol=1e-6)
    assert found.influence is not None
    assert expected.influence is not None
    np.testing.assert_allclose(found.influence, expected.influence, atol=1e-6)


@pytest.mark.parametrize("horizon", [None, 6])
@pytest.mark.parametrize("trace", ALL)
def test_influence_is_the_derivative_of_counting_an_episode_more(trace, horizon) -> None:  # type: ignore[no-untyped-def]
    tabular = logged(horizon)
    told = lambda by: direct_method(by.logs, traced_values(by, trace, 0.8))
    estimate = told(tabular)
    many = np.repeat(np.arange(len(tabular)), 100)
    more = [told(tabular.take(np.append(many, episode))).value - estimate.value for episode in range(4)]
    influence = estimate.influence()
    np.testing.assert_allclose(np.array(more) * (len(many) + 1), influence[:4], atol=0.01 * np.abs(influence).max())


def test_bad_input_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tabular_module, "ROUNDS", 200)
    tabular = logged(None)
    with pytest.raises(BadInput, match="lambda: 2"):
        traced_values(tabular, "retrace", 2.0)
    endless = replace(tabular.logs, discount=np.where(tabular.logs.present, 1.0, 0.0))
    with pytest.raises(BadInput, match="do not settle"):
        traced_values(replace(tabular, logs=endless), "q-lambda")
