"""MAGIC: j-step returns from their formula, the blend against a general solver, and its ends."""

from dataclasses import replace

import numpy as np
import pytest
from exact import TARGET, enumerated
from scipy.optimize import minimize

from mooring.ope.estimators.doubly_robust import direct_method, weighted_doubly_robust
from mooring.ope.estimators.magic import blending, least_norm_blend, magic, partial_returns
from mooring.ope.logs import Logs, Values
from mooring.ope.tabular.model import Model
from mooring.ope.tabular.random_mdps import TabularMDP, random_policy


def logged(seed: int = 0, episodes: int = 200) -> tuple[Logs, Values]:
    rng = np.random.default_rng(seed)
    mdp = TabularMDP.random(rng, states=4, actions=3, horizon=6, branches=2, ends=0.3)
    behavior, target = (random_policy(rng, 4, 3, 5.0) for _ in range(2))
    tabular = mdp.logs(mdp.simulate(behavior, episodes, rng), target)
    return tabular.logs, Model.of(tabular).values()


def thomas_brunskill(logs: Logs, values: Values, j: int) -> float:
    """g^(j): rewards up to step j, the value after it, and the control variates, by loops."""
    total, episodes = 0.0, len(logs)
    for i in range(episodes):
        so_far, now = 1.0, 1 / episodes
        for t in range(min(j + 1, int(logs.present[i].sum()))):
            before, now = now, logs.weight[i, t] / logs.weight[:, t].sum()
            total += so_far * (now * logs.reward[i, t] - now * values.q[i, t] + before * values.v[i, t])
            so_far *= logs.discount[i, t]
            after = values.v_next[i, t]
        total += so_far * now * (after if j >= 0 else values.v[i, 0])
    return total


def test_partial_returns_are_their_formula() -> None:
    logs, values = logged(episodes=20)
    returns, _ = partial_returns(logs, values)
    expected = [thomas_brunskill(logs, values, j) for j in range(-1, logs.horizon)]
    np.testing.assert_allclose(returns, expected, atol=1e-12)
    assert returns[0] == pytest.approx(direct_method(logs, values).value)
    assert returns[-1] == pytest.approx(weighted_doubly_robust(logs, values).value)


def test_influence_of_partial_returns_is_that_of_the_estimates_at_their_ends() -> None:
    logs, values = logged(episodes=400)
    _, influence = partial_returns(logs, values)
    np.testing.assert_allclose(influence[:, 0], direct_method(logs, values).influence(), atol=1e-9)
    weighted = weighted_doubly_robust(logs, values).influence()
    np.testing.assert_allclose(influence[:, -1], weighted, atol=0.05 * np.abs(weighted).max())


def test_the_blend_is_that_of_a_general_solver() -> None:
    rng = np.random.default_rng(0)
    for _ in range(5):
        errors = rng.normal(size=(8, 5)) @ np.diag([1.0, 0.2, 3.0, 1.0, 0.5])
        found = least_norm_blend(errors)
        loss = lambda x, errors=errors: float(((errors @ x) ** 2).sum())
        one = {"type": "eq", "fun": lambda x: x.sum() - 1}
        best = minimize(loss, np.full(5, 0.2), bounds=[(0, 1)] * 5, constraints=[one], options={"ftol": 1e-14})
        assert found.sum() == pytest.approx(1)
        assert (found >= 0).all()
        assert loss(found) <= best.fun + 1e-8
    np.testing.assert_allclose(least_norm_blend(np.zeros((3, 4))).sum(), 1)


def test_magic_is_the_blend_of_the_returns() -> None:
    logs, values = logged()
    returns, _ = partial_returns(logs, values)
    assert magic(logs, values).value == pytest.approx(returns @ blending(logs, values), abs=1e-9)


def test_long_episodes_have_no_more_shares_than_are_worth_finding() -> None:
    rng = np.random.default_rng(1)
    mdp = TabularMDP.random(rng, states=3, actions=2, horizon=200, branches=2)
    policy = random_policy(rng, 3, 2, 50.0)
    tabular = mdp.logs(mdp.simulate(policy, 30, rng), policy)
    shares = blending(tabular.logs, Model.of(tabular).values())
    assert shares.shape == (201,)
    assert shares.sum() == pytest.approx(1)
    assert (shares > 0).sum() <= 50


def test_good_values_are_trusted_and_bad_ones_are_not() -> None:
    logs, values = logged(episodes=2000)
    wrong = Values(*(np.where(logs.present, column + 9.0, 0) for column in (values.q, values.v, values.v_next)))
    assert blending(logs, replace(wrong, influence=None))[-1] > 0.9
    assert blending(logs, values)[-1] < 0.5
    estimate, all_corrected = magic(logs, wrong), weighted_doubly_robust(logs, wrong)
    assert estimate.value == pytest.approx(all_corrected.value, abs=0.1)


def test_magic_is_exact_where_the_logs_are() -> None:
    mdp, tabular = enumerated()
    values = Model.of(tabular).values()
    assert magic(tabular.logs, values).value == pytest.approx(mdp.value(TARGET), abs=1e-6)


def test_no_weight_anywhere_leaves_the_direct_method() -> None:
    logs, values = logged()
    nowhere = replace(logs, log_target=np.full_like(logs.reward, -np.inf))
    assert magic(nowhere, values).value == pytest.approx(direct_method(nowhere, values).value)
    assert np.isfinite(magic(nowhere, values).influence()).all()
