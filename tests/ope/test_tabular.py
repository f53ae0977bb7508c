"""Models from counts: exact on exact counts, influence that is the derivative, what is assumed and what is refused."""

from dataclasses import replace

import numpy as np
import pytest
from exact import BEHAVIOR, TARGET, enumerated, process, single_rows

from mooring.errors import BadInput
from mooring.ope.logs import Logs
from mooring.ope.tabular.marginalized import marginalized, marginalized_stationary
from mooring.ope.tabular.model import Model, TabularLogs, tabular_fitted_q
from mooring.ope.tabular.random_mdps import TabularMDP, mixture, random_policy, softmax_policy


def for_ever(discount: float) -> tuple[np.ndarray, TabularLogs]:
    """True V of the process without a horizon, by linear solve, and its exact logs."""
    mdp, data = single_rows(discount)
    expected = (mdp.complete * mdp.reward).sum(2)
    onward = np.einsum("sa,sax->sx", TARGET, mdp.transition)
    v = np.linalg.solve(np.eye(2) - discount * onward, (TARGET * expected).sum(1))
    with np.errstate(divide="ignore"):
        log_target = np.log(TARGET[data.obs, data.action])
    logs = Logs.of(data, discount, data.extra["action_log_prob"].astype(np.float64), log_target)
    return v, TabularLogs.of(logs, data.obs, data.action, data.next_obs, TARGET)


@pytest.mark.parametrize("discount", [0.9, 1.0])
def test_all_are_the_linear_solve_without_a_horizon(discount: float) -> None:
    v, tabular = for_ever(discount)
    truth = float(tabular.start @ v)
    for values in (Model.of(tabular).values(), tabular_fitted_q(tabular)):
        np.testing.assert_allclose(values.start, v[tabular.state[:, 0]], atol=1e-6)
    ratios = Model.of(tabular).ratios()
    assert (ratios * tabular.logs.reward).sum(1).mean() == pytest.approx(truth, abs=1e-6)
    assert marginalized_stationary(tabular).value == pytest.approx(truth, rel=1e-6)


def test_all_are_the_backward_recursion_with_a_horizon() -> None:
    mdp, tabular = enumerated()
    truth = mdp.value(TARGET)
    q = mdp.action_values(TARGET)
    logged = q[tabular.timestep, tabular.state, tabular.action]
    for values in (Model.of(tabular).values(), tabular_fitted_q(tabular)):
        np.testing.assert_allclose(values.q, np.where(tabular.logs.present, logged, 0), atol=1e-6)
        assert values.start.mean() == pytest.approx(truth, abs=1e-6)
    assert marginalized(tabular).value == pytest.approx(truth, abs=1e-6)
    assert marginalized_stationary(tabular).value == pytest.approx(truth, abs=1e-6)
    assert Model.of(tabular).support == 1


def test_the_log_may_be_shorter_than_the_horizon() -> None:
    _, tabular = enumerated(horizon=2)
    longer = replace(tabular, horizon=5)
    assert Model.of(longer).values().start.mean() == pytest.approx(process(5).value(TARGET), abs=1e-6)


@pytest.mark.parametrize("estimate", ["model", "marginalized", "stationary"])
def test_influence_is_the_derivative_of_counting_an_episode_more(estimate: str) -> None:
    rng = np.random.default_rng(0)
    mdp = TabularMDP.random(rng, states=4, actions=2, horizon=4, branches=2, ends=0.3)
    behavior, target = (random_policy(rng, 4, 2, 3.0) for _ in range(2))
    tabular = mdp.logs(mdp.simulate(behavior, 40, rng), target)

    def told(by: TabularLogs) -> tuple[float, np.ndarray]:
        if estimate == "model":
            values = Model.of(by).values()
            assert values.influence is not None
            return float(values.start.mean()), values.start - values.start.mean() + values.influence
        found = {"marginalized": marginalized, "stationary": marginalized_stationary}[estimate](by)
        return found.value, found.influence()

    value, influence = told(tabular)
    many = np.repeat(np.arange(40), 500)  # each episode 500 times: one more of one of them is a derivative
    more = [told(tabular.take(np.append(many, episode)))[0] - value for episode in range(12)]
    np.testing.assert_allclose(np.array(more) * (len(many) + 1), influence[:12], atol=0.01 * np.abs(influence).max())


def test_what_was_never_tried_is_assumed_and_told() -> None:
    _, tabular = enumerated(horizon=2, target=np.array([[0.0, 1.0], [1.0, 0.0]]))
    never = replace(tabular, action=np.zeros_like(tabular.action))
    model = Model.of(never)
    present = never.logs.present
    assert model.reward[0, 1] == pytest.approx(never.logs.reward[present].mean())
    occupancy = model.solution.occupancy.sum(0)
    assert model.support == pytest.approx(occupancy[:, 0].sum() / occupancy.sum())
    assert 0 < model.support < 1
    assert Model.of(never, unseen_reward=-9.0).reward[0, 1] == -9
    np.testing.assert_allclose(tabular_fitted_q(never).q, model.values().q, atol=1e-9)


def test_bad_input_is_refused() -> None:
    mdp, data = single_rows(0.5)
    logs = Logs.of(data, 0.5)
    columns = data.obs, data.action, data.next_obs
    with pytest.raises(BadInput, match=r"action: numbers from 0 to 1; expected from 0 to 0"):
        TabularLogs.of(logs, *columns, np.ones((2, 1)))
    with pytest.raises(BadInput, match="do not sum to 1"):
        TabularLogs.of(logs, *columns, np.ones((2, 2)))
    tabular = mdp.logs(mdp.simulate(BEHAVIOR, 9, np.random.default_rng(0)), TARGET)
    with pytest.raises(BadInput, match="an episode has 3 steps"):
        TabularLogs.of(tabular.logs, *np.zeros((3, 99), int), TARGET, horizon=2)
    endless = replace(logs, discount=np.where(logs.present, 1.0, 0.0))
    with pytest.raises(BadInput, match="goes on for ever"):
        Model.of(TabularLogs.of(endless, *columns, TARGET)).values()


def test_simulated_returns_are_the_exact_value() -> None:
    rng = np.random.default_rng(1)
    mdp = TabularMDP.random(rng, states=5, actions=3, horizon=6, ends=0.2)
    policy = mixture(random_policy(rng, 5, 3), softmax_policy(mdp.best(), 0.5), 0.5)
    returns = mdp.logs(mdp.simulate(policy, 20_000, rng), policy).logs.returns
    assert returns.mean() == pytest.approx(mdp.value(policy), abs=4 * returns.std() / 20_000**0.5)
    assert mdp.value(softmax_policy(mdp.best(), 1e-3)) > mdp.value(policy)
