"""Fitted Q evaluation: its update by hand, exact values, known values, resamples, and what it warns of."""

from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from known import GAMMA, Known, Whole, known, linear_quadratic

from mooring.data import Dataset
from mooring.errors import BadInput
from mooring.ope.learned.episodes import Episodes
from mooring.ope.learned.fqe import FQE, fitted_q, shortness, suspicions
from mooring.ope.targets import Greedy
from mooring.policies import UniformPolicy
from mooring.training import train


def small(problem: Known, **settings: Any) -> FQE:
    return FQE(target=problem.policy, discount=GAMMA, hidden=(), **settings)


def test_an_update_is_that_of_the_paper() -> None:
    problem = known()
    algorithm = small(problem, learning_rate=0.1, target_rate=0.3, first_value=2.0)
    data = problem.data.with_reward(scale=0.5)
    agent = algorithm.init(jax.random.key(0), data.spec())
    batch = Whole.of(data).rows
    after, metrics = algorithm.update(agent, batch, jax.random.key(1), jnp.zeros((), jnp.int32))

    weight = np.asarray(agent.target.net.layers[0].weight, np.float64)
    q = weight + 2
    pi = np.exp(np.asarray(problem.policy.log, np.float64))
    v = (pi * q).sum(1)
    target = 0.5 * data.reward + GAMMA * data.continues * v[data.next_obs]
    error = q[data.obs, data.action] - target
    np.testing.assert_allclose(metrics["critic_loss"], (error**2).mean(), rtol=1e-5)
    slope = np.zeros_like(weight)
    np.add.at(slope, (data.obs, data.action), 2 * error / len(data))
    expected = weight - 0.1 * slope / (np.abs(slope) + 1e-8)  # Adam's first step
    np.testing.assert_allclose(after.critic.model.net.layers[0].weight, expected, atol=1e-6)
    np.testing.assert_allclose(after.target.net.layers[0].weight, weight + 0.3 * (expected - weight), atol=1e-6)


def test_exact_counts_give_the_values_of_the_linear_solve() -> None:
    problem = known()
    algorithm = small(problem, learning_rate=0.02, target_rate=0.05)
    run = train(algorithm, problem.data, 3000, source=Whole.of(problem.data)).run
    layer = run.agent.target.net.layers[0]
    np.testing.assert_allclose(np.asarray(layer.weight[0]) + np.asarray(layer.bias[0]), problem.q, atol=1e-3)


def test_values_of_continuous_actions_are_the_known_ones() -> None:
    problem = linear_quadratic(150)
    small = FQE(learning_rate=2e-3, target_rate=0.05, hidden=(32,), batch_size=128)
    fitted = fitted_q(problem.data, problem.policy, 0.9, steps=1500, members=3, algorithm=small)
    assert fitted.warnings == ()
    assert fitted.values.start.mean() == pytest.approx(problem.value, abs=0.15)
    interval = fitted.interval()
    assert interval.low <= problem.value <= interval.high
    assert interval.high - interval.low < 2.5


def numbered(lengths: tuple[int, ...], groups: tuple[int, ...]) -> Dataset:
    """Rows whose observation is their number."""
    count = sum(lengths)
    rows = np.arange(count, dtype=np.float32)[:, None]
    last = np.isin(np.arange(count), np.cumsum(lengths) - 1)
    extra = {"group": np.repeat(groups, lengths)}
    return Dataset.build(
        rows, np.zeros(count, int), np.zeros(count), np.zeros(count, bool), last, next_obs=rows, extra=extra
    )


def test_rows_and_first_observations_are_drawn_as_often_as_they_are_there() -> None:
    source = Episodes.of(numbered((1, 3, 6), (0, 1, 2)), resampled=False)
    batch = source.sample(source.init(jax.random.key(0)), jax.random.key(1), 60_000)
    seen = np.bincount(np.asarray(batch.obs[:, 0], int), minlength=10) / 60_000
    np.testing.assert_allclose(seen, 0.1, atol=0.01)
    starts = np.bincount(np.asarray(batch["start"][:, 0], int), minlength=10) / 60_000
    np.testing.assert_allclose(starts[[0, 1, 4]], 1 / 3, atol=0.01)


def test_each_member_sees_its_own_resample_of_groups() -> None:
    source = Episodes.of(numbered((1, 3, 6, 2), (0, 1, 0, 2)), resampled=True)
    states = jax.vmap(source.init)(jax.random.split(jax.random.key(0), 400))
    times = np.asarray(jax.vmap(lambda state: state.times)(states))
    assert (times[:, 0] == times[:, 2]).all()
    assert (times[:, [0, 1, 3]].sum(1) == 3).all()
    np.testing.assert_allclose(times.mean(0), 1, atol=0.1)
    member = jax.tree.map(lambda leaf: leaf[0], states)
    batch = source.sample(member, jax.random.key(1), 60_000)
    seen = np.bincount(np.asarray(batch.obs[:, 0], int), minlength=12) / 60_000
    expected = np.repeat(times[0], (1, 3, 6, 2))
    np.testing.assert_allclose(seen, expected / expected.sum(), atol=0.01)


def test_values_that_diverge_are_told() -> None:
    rows = 40
    obs, after = np.ones((rows, 1), np.float32), np.full((rows, 1), 2, np.float32)  # Tsitsiklis & Van Roy (1996)
    data = Dataset.build(
        obs, np.zeros(rows, np.int64), np.ones(rows), np.zeros(rows, bool), np.ones(rows, bool), next_obs=after
    )
    linear = FQE(hidden=(), standardize=False, learning_rate=0.1, target_rate=0.5)
    policy = Greedy(UniformPolicy(data.spec().action))
    fitted = fitted_q(data, policy, 0.99, steps=500, members=1, algorithm=linear)
    assert "beyond what rewards allow (1 / (1 - 0.99) = 100): learning diverged" in fitted.warnings[0]
    np.testing.assert_allclose(fitted.values.v, fitted.values.q, rtol=1e-5)
    with pytest.raises(BadInput, match="at least two members"):
        fitted.interval()


def test_values_that_still_move_or_are_no_numbers_are_told() -> None:
    data = known().data
    q = np.full((2, len(data)), 1.0)
    moving = np.linspace([0, 0], [1, 1.2], 20)
    assert not list(suspicions(np.ones((20, 2)), q, data, GAMMA))
    assert "still move (mean Q by 0.12" in next(suspicions(moving, q, data, GAMMA))
    assert "still move" in next(suspicions(moving[:1], q, data, GAMMA))
    assert "not finite" in next(suspicions(moving, np.full_like(q, np.nan), data, GAMMA))


def test_too_few_updates_to_look_as_far_ahead_as_rewards_count() -> None:
    data = known().data
    told = list(shortness(500, 0.01, replace(data, horizon=1000), 0.99))
    assert told == ["values have looked about 5 of 100 steps ahead: make 10,000 updates or more"]
    assert list(shortness(10_000, 0.01, replace(data, horizon=1000), 0.99)) == []
    assert list(shortness(500, 0.01, replace(data, horizon=5), 1.0)) == []
