"""The DICE family: exact ratios of a small problem, updates by hand, known values, intervals, and warnings."""

from dataclasses import replace
from functools import partial
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jaxtyping import Array, Float, Int
from known import GAMMA, Known, Whole, known, linear_quadratic

from mooring.errors import BadInput
from mooring.networks.mlp import Linear
from mooring.ope.intervals import student_t
from mooring.ope.learned.dice import AlgaeDICE, Dice, DualDICE, GenDICE, GradientDICE, Players
from mooring.ope.learned.ratios import by_ratio, density_ratios, suspicions
from mooring.ope.learned.sr_dice import SRDICE, linear_ratio
from mooring.ope.logs import Logs
from mooring.training import Trained, train
from mooring.types import static

SETTINGS: dict[type[Dice], dict[str, float]] = {
    DualDICE: {"critic_rate": 0.002, "ratio_rate": 0.03, "penalty": 0.0},
    AlgaeDICE: {"critic_rate": 0.002, "ratio_rate": 0.03, "penalty": 0.0, "alpha": 1.0},
    GradientDICE: {"critic_rate": 0.03, "ratio_rate": 0.003, "penalty": 1.0},
    GenDICE: {"critic_rate": 0.03, "ratio_rate": 0.003, "penalty": 1.0},
}
"""As published; the side with curved terms of its own is quicker. None of the constants moves the exact ratio."""


def learned(problem: Known, method: Any, steps: int) -> Trained:
    algorithm = replace(method, target=problem.policy, discount=GAMMA)
    return train(algorithm, problem.data, steps, source=Whole.of(problem.data), chunk=steps // 4)


every = partial(pytest.param, marks=pytest.mark.every)


@pytest.mark.parametrize(
    "kind", [GenDICE, every(DualDICE), every(AlgaeDICE), every(GradientDICE)], ids=lambda kind: kind.name
)
def test_ratios_of_exact_counts_are_the_true_ones(kind: type[Dice]) -> None:
    problem = known()
    method = kind(hidden=(), average_rate=0.003, **SETTINGS[kind])  # type: ignore[arg-type]
    run = learned(problem, method, 10_000)
    ratios = method.row_ratios(run, problem.data)[0]
    np.testing.assert_allclose(ratios, problem.ratio, atol=1e-3)
    value = by_ratio(Logs.of(problem.data, GAMMA), ratios[:, None]).value
    assert value == pytest.approx(problem.value, abs=2e-3)
    if kind is AlgaeDICE:  # the value of its game: the return less alpha times the distance to the data
        game = (problem.ratio * problem.data.reward - problem.ratio**2 / 2).mean()
        assert run.rows[-1]["game"][0] == pytest.approx(game, abs=1e-3)


class Pairs(eqx.Module):
    """Features that are one-hot of observation and choice."""

    choices: int = static()

    def __call__(self, obs: Float[Array, " O"], action: Int[Array, ""]) -> Float[Array, " K"]:
        return (obs[:, None] * jax.nn.one_hot(action, self.choices)[None]).reshape(-1)


def test_successor_features_of_exact_counts_give_the_true_ratios() -> None:
    problem = known()
    settings = {"learning_rate": 0.02, "target_rate": 0.05, "ridge": 0.0}
    method = SRDICE(features=Pairs(2), width=8, hidden=(), **settings)  # type: ignore[arg-type]
    run = learned(problem, method, 3000)
    method = replace(method, target=problem.policy, discount=GAMMA)
    first = replace(problem.data, last=np.ones(len(problem.data), bool))
    np.testing.assert_allclose(method.row_ratios(run, first)[0], problem.ratio, atol=1e-3)


def test_a_linear_ratio_is_the_least_squares_one() -> None:
    rng = np.random.default_rng(0)
    phi, start = rng.normal(size=(50, 3)), rng.normal(size=(20, 3))
    found = linear_ratio(phi, start, 0.9, 0.0)
    b = np.linalg.lstsq(phi, found, rcond=None)[0]
    slope = (phi * found[:, None]).mean(0) - 0.1 * start.mean(0)
    np.testing.assert_allclose(phi @ b, found, atol=1e-12)
    np.testing.assert_allclose(slope, 0, atol=1e-12)


def with_tables(agent: Any, nu: np.ndarray, w: np.ndarray) -> Players:
    """The players as tables of these numbers."""
    tables = [Linear(jnp.asarray(values, jnp.float32), jnp.zeros(2)) for values in (nu, w)]
    where = lambda players: (players.critic.net.layers[0], players.ratio.net.layers[0])
    changed: Players = eqx.tree_at(where, agent.average, tuple(tables))
    return changed


def test_the_games_are_those_of_the_papers() -> None:
    problem = known()
    data, pi = problem.data, np.exp(np.asarray(problem.policy.log, np.float64))
    rng = np.random.default_rng(1)
    nu, w, u = rng.normal(size=(4, 2)), rng.normal(size=(4, 2)), 0.3
    v, discount = (pi * nu).sum(1), GAMMA * data.continues.astype(np.float64)
    here, at, reward = nu[data.obs, data.action], w[data.obs, data.action], data.reward.astype(np.float64)
    soft = np.log1p(np.exp(at))
    anew = v[data.obs].mean()
    onward, start = discount * v[data.next_obs] + (GAMMA - discount) * anew, (1 - GAMMA) * anew

    def norm(w: np.ndarray) -> Any:
        return 0.7 * (u * (1 - w.mean()) + u**2 / 2)

    shared: Any = {"target": problem.policy, "discount": GAMMA, "hidden": (), "penalty": 0.7}
    expected = [
        (DualDICE(**shared), start + (at * (onward - here) - at**2 / 2).mean() + norm(at)),
        (AlgaeDICE(alpha=0.2, **shared), start + (at * (reward + onward - here) - 0.2 * at**2 / 2).mean() + norm(at)),
        (GradientDICE(**shared), start + (at * (onward - here) + here**2 / 2).mean() + norm(at)),
        (GenDICE(**shared), start + (soft * (onward - here + here**2 / 4)).mean() + norm(soft)),
    ]
    for method, by_hand in expected:
        agent = method.init(jax.random.key(0), data.spec())
        players = with_tables(agent, nu * (1 - GAMMA) if method.summing else nu, w)
        found, _ = method.game(players, jnp.asarray(u), agent.normalizer, Whole.of(data).rows, jax.random.key(0))
        assert float(found) == pytest.approx(by_hand, abs=1e-5)


def test_both_players_move_from_where_they_are() -> None:
    problem = known()
    method = DualDICE(
        target=problem.policy, discount=GAMMA, hidden=(), critic_rate=0.1, ratio_rate=0.2, average_rate=0.5
    )
    agent, batch = method.init(jax.random.key(0), problem.data.spec()), Whole.of(problem.data).rows
    after, _ = method.update(agent, batch, jax.random.key(1), jnp.zeros((), jnp.int32))
    game = lambda players: method.game(players, agent.norm, agent.normalizer, batch, jax.random.key(1))[0]
    slope = jax.grad(game)(agent.average)
    steps = ((after.critic.model, "critic", 0.1), (after.ratio.model, "ratio", -0.2))
    for found, name, rate in steps:
        before, down = (weights(getattr(players, name)) for players in (agent.average, slope))
        np.testing.assert_allclose(weights(found), before - rate * np.sign(down), atol=1e-4)  # Adam's first step
    halfway = (weights(agent.average.ratio) + weights(after.ratio.model)) / 2
    np.testing.assert_allclose(weights(after.average.ratio), halfway, atol=1e-6)


def weights(network: Any) -> np.ndarray:
    return np.asarray(network.net.layers[0].weight)


CONTINUOUS: dict[str, Any] = {
    "dual": DualDICE(hidden=(32, 32), critic_rate=3e-4, ratio_rate=3e-3, batch_size=128),
    "algae": AlgaeDICE(hidden=(32, 32), critic_rate=3e-4, ratio_rate=3e-3, batch_size=128),
    "gradient": GradientDICE(hidden=(32, 32), critic_rate=3e-3, ratio_rate=1e-3, batch_size=128),
    "gen": GenDICE(hidden=(32, 32), critic_rate=3e-3, ratio_rate=1e-3, batch_size=128),
    "successor": SRDICE(hidden=(32, 32), width=32, feature_steps=1000, learning_rate=1e-3, target_rate=0.02),
}


@pytest.mark.every
@pytest.mark.parametrize("name", CONTINUOUS)
def test_continuous_actions_with_a_known_value(name: str) -> None:
    problem = linear_quadratic(150)
    logs = Logs.of(problem.data, 0.9)
    found = density_ratios(problem.data, problem.policy, 0.9, method=CONTINUOUS[name], steps=2500)
    estimate = by_ratio(logs, found.ratio)
    behavior = float(logs.returns.mean())
    assert abs(estimate.value - problem.value) < 0.4 * (problem.value - behavior)
    interval = student_t(estimate)
    assert interval.low < estimate.value < interval.high


def test_ratios_of_one_are_the_log_itself() -> None:
    data = known().data
    logs = Logs.of(data, GAMMA)
    expected = data.reward.sum() / (1 - GAMMA * data.continues).sum()
    assert by_ratio(logs, np.where(logs.present, 1.0, 0.0)).value == pytest.approx(expected)


def test_ratios_that_can_not_be_true_are_told() -> None:
    assert not list(suspicions(np.ones((2, 9)), np.ones(2)))
    assert "mean is 0.70 to 1.00, and 1 where" in next(suspicions(np.ones((2, 9)), np.array([0.7, 1])))
    assert "25% of the ratios' weight is negative" in next(suspicions(np.array([[3.0, -1]]), np.ones(1)))
    assert "not finite" in next(suspicions(np.array([[3.0, np.nan]]), np.ones(1)))
    with pytest.raises(BadInput, match="below 1"):
        density_ratios(known().data, known().policy, 1.0)
