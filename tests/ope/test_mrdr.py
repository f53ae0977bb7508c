"""MRDR: its objective in loops, which the fit minimizes, and the variance of the estimate, which it is for."""

from dataclasses import replace

import numpy as np
import pytest
from exact import TARGET, enumerated, process

from mooring.errors import BadInput
from mooring.ope.estimators.doubly_robust import doubly_robust
from mooring.ope.estimators.importance import per_decision
from mooring.ope.logs import Logs, Values
from mooring.ope.tabular.model import Model
from mooring.ope.tabular.mrdr import Choices, mrdr_values, returns_to_go
from mooring.ope.tabular.random_mdps import TabularMDP, random_policy


def objective(logs: Logs, choices: Choices, coefficients: np.ndarray) -> float:
    """The variance that the module's text states, over episodes, by loops."""
    total, actions = 0.0, choices.behavior.shape[2]
    for i in range(len(logs)):
        weight, so_far = 1.0, 1.0
        steps = int(logs.present[i].sum())
        for t in range(steps):
            to_go, product, gain = 0.0, 1.0, 1.0
            for k in range(t, steps):
                product *= logs.ratio[i, k] if k > t else 1.0
                to_go += gain * product * logs.reward[i, k]
                gain *= logs.discount[i, k]
            q = choices.target[i, t] * (choices.features[i, t] @ coefficients)
            q[choices.action[i, t]] -= to_go
            covariance = np.diag(1 / choices.behavior[i, t]) - np.ones((actions, actions))
            total += so_far**2 * weight**2 * logs.ratio[i, t] * float(q @ covariance @ q)
            weight *= logs.ratio[i, t]
            so_far *= logs.discount[i, t]
    return total


def logged(episodes: int) -> tuple[Logs, Choices, Values, float]:
    rng = np.random.default_rng(0)
    mdp = TabularMDP.random(rng, states=3, actions=2, horizon=3, branches=2, ends=0.3)
    behavior, target = (random_policy(rng, 3, 2, 3.0) for _ in range(2))
    tabular = mdp.logs(mdp.simulate(behavior, episodes, rng), target)
    return tabular.logs, Choices.tabular(tabular), Model.of(tabular).values(), mdp.value(target)


def test_values_minimize_the_objective() -> None:
    logs, choices, _, _ = logged(25)
    values = mrdr_values(logs, choices)
    pairs = choices.features.shape[-1]
    coefficients = np.zeros(pairs)
    for pair in range(pairs):
        taken = np.take_along_axis(choices.features[..., pair], choices.action[..., None], 2)[..., 0] > 0
        rows = logs.present & taken
        coefficients[pair] = values.q[rows][0] if rows.any() else 0.0
    least = objective(logs, choices, coefficients)
    for pair in range(pairs):
        for step in (-0.1, 0.1):
            moved = coefficients + step * (np.arange(pairs) == pair)
            assert objective(logs, choices, moved) >= least - 1e-9


def test_returns_to_go_average_to_per_decision_importance_sampling() -> None:
    logs, *_ = logged(25)
    expected = per_decision(logs).value
    assert (logs.ratio[:, 0] * returns_to_go(logs)[:, 0]).mean() == pytest.approx(expected)


def test_no_other_values_give_less_variance_in_a_bandit() -> None:
    """Where the logs are exact, the fit's minimum is that of the estimate's true variance."""
    _, tabular = enumerated(horizon=1)
    logs, choices = tabular.logs, Choices.tabular(tabular)
    spread = lambda values: doubly_robust(logs, values).terms[:, 0].std()
    best, rng = mrdr_values(logs, choices), np.random.default_rng(0)
    state, action, q = tabular.state[:, 0], tabular.action[:, 0], np.zeros((2, 2))
    q[state, action] = best.q[:, 0]
    assert doubly_robust(logs, best).value == pytest.approx(process(1).value(TARGET), abs=1e-6)
    within = lambda values: [doubly_robust(logs, values).terms[state == s, 0].var() for s in range(2)]
    for _ in range(20):
        other = q + rng.normal(size=(2, 2)) / 10
        v = (TARGET * other).sum(1)[state][:, None]
        worse = Values(other[state, action][:, None], v, np.zeros_like(v))
        assert (np.array(within(worse)) >= np.array(within(best)) - 1e-9).all()
    assert spread(best) < spread(Values.zero(logs))


def test_it_is_less_noisy_than_importance_sampling_on_other_episodes_too() -> None:
    logs, choices, _, truth = logged(4000)
    values = mrdr_values(logs, choices)
    half = np.arange(len(logs)) < 2000
    estimate = doubly_robust(logs.take(half), Values(values.q[half], values.v[half], values.v_next[half]))
    plain = per_decision(logs.take(half))
    assert estimate.influence().std() < 0.8 * plain.influence().std()
    assert doubly_robust(logs, values).value == pytest.approx(truth, abs=0.1)


def test_actions_that_were_never_logged_share_what_is_left() -> None:
    _, tabular = enumerated(horizon=1)
    never = tabular.take(np.flatnonzero((tabular.state[:, 0] == 0) | (tabular.action[:, 0] == 1)))
    choices = Choices.tabular(never)
    second = choices.behavior[never.state[:, 0] == 1, 0]
    np.testing.assert_allclose(second, np.broadcast_to([0.25, 0.75], second.shape), atol=1e-6)
    assert np.isfinite(doubly_robust(never.logs, mrdr_values(never.logs, choices)).influence()).all()
    with pytest.raises(BadInput, match="not known"):
        Choices.tabular(replace(never, logs=replace(never.logs, log_behavior=None)))
