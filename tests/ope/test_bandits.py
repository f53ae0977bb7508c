"""Contextual bandits: formulas by hand, a reward model that does not learn from the row it speaks of, coverage."""

import numpy as np
import pytest

from mooring.data import Dataset
from mooring.errors import BadInput
from mooring.ope.estimators.bandits import reward_values, subgaussian
from mooring.ope.estimators.doubly_robust import direct_method, doubly_robust
from mooring.ope.estimators.importance import importance_sampling, weighted_importance_sampling
from mooring.ope.intervals import student_t
from mooring.ope.logs import Logs

EFFECT = np.array([[1.0, -1.0, 0.5], [0.0, 2.0, 1.0]])  # of each entry of the observation, by action
TRUTH = 0.8 * 0.2 + 0.1 * 1.0 + 0.1 * -0.3  # the target's mean reward: observations are centered


def bandit(rng: np.random.Generator, rows: int, noise: float = 1.0) -> tuple[Dataset, Logs, np.ndarray]:
    """Three actions whose rewards are linear in the observation; the behavior policy mostly takes the second."""
    obs = rng.normal(size=(rows, 2)).astype(np.float32)
    behavior, target = np.array([0.3, 0.5, 0.2]), np.array([0.8, 0.1, 0.1])
    action = rng.choice(3, rows, p=behavior)
    mean = np.array([0.2, 1.0, -0.3])[action] + np.take_along_axis(obs @ EFFECT, action[:, None], 1)[:, 0]
    reward = mean + noise * rng.normal(size=rows)
    data = Dataset.build(obs, action, reward, np.ones(rows, bool), next_obs=obs)
    return data, Logs.of(data, 1.0, np.log(behavior[action]), np.log(target[action])), np.tile(target, (rows, 1))


def test_subgaussian_weights_are_their_formula() -> None:
    _, logs, _ = bandit(np.random.default_rng(0), 50)
    weight, reward = logs.ratio[:, 0], logs.reward[:, 0]
    expected = np.mean(((1 - 0.3) * weight**-1 + 0.3) ** -1 * reward)  # the power mean at s = -1
    assert subgaussian(logs, strength=0.3).value == pytest.approx(expected, abs=1e-12)
    assert subgaussian(logs, strength=0.0).value == pytest.approx(importance_sampling(logs).value, abs=1e-12)
    assert subgaussian(logs, strength=1.0).value == pytest.approx(reward.mean(), abs=1e-12)
    strength = np.sqrt(2 * np.log(20) / (3 * 50 * np.mean(weight**2)))
    assert subgaussian(logs).value == pytest.approx(subgaussian(logs, strength=strength).value, abs=1e-12)


def test_linear_rewards_are_found() -> None:
    data, logs, target = bandit(np.random.default_rng(1), 400, noise=0.0)
    values = reward_values(logs, data, target)
    np.testing.assert_allclose(values.q, logs.reward, atol=0.02)
    expected = np.array([0.16 + 0.1 - 0.03]) + np.asarray(data.obs) @ EFFECT @ target[0]
    np.testing.assert_allclose(values.v[:, 0], expected, atol=0.02)


def test_continuous_rewards_are_found() -> None:
    rng = np.random.default_rng(2)
    obs, action = rng.normal(size=(400, 1)).astype(np.float32), rng.uniform(-1, 1, (400, 1)).astype(np.float32)
    reward = (1 + obs - 2 * action**2 + obs * action)[:, 0]
    data = Dataset.build(obs, action, reward, np.ones(400, bool), next_obs=obs)
    values = reward_values(Logs.of(data, 1.0), data, np.full((400, 1), 0.5))
    np.testing.assert_allclose(values.v[:, 0], (1 + obs - 0.5 + obs * 0.5)[:, 0], atol=0.02)


def test_no_row_tells_of_itself() -> None:
    data, logs, target = bandit(np.random.default_rng(3), 60)
    reward = data.reward.copy()
    reward[7] += 100
    other = Dataset.build(data.obs, data.action, reward, np.ones(60, bool), next_obs=data.obs)
    ours, theirs = reward_values(logs, data, target), reward_values(logs, other, target)
    assert ours.q[7] == pytest.approx(theirs.q[7], abs=1e-9)
    assert not np.allclose(ours.q, theirs.q)


def test_intervals_cover_and_values_narrow_them() -> None:
    rng = np.random.default_rng(4)
    covered: dict[str, list[bool]] = {}
    widths: dict[str, list[float]] = {}
    for _ in range(80):
        data, logs, target = bandit(rng, 400)
        values = reward_values(logs, data, target)
        for name, estimate in {
            "ips": importance_sampling(logs),
            "snips": weighted_importance_sampling(logs),
            "dr": doubly_robust(logs, values),
            "direct": direct_method(logs, values),
            "subgaussian dr": subgaussian(logs, values),
        }.items():
            found = student_t(estimate)
            covered.setdefault(name, []).append(found.low <= TRUTH <= found.high)
            widths.setdefault(name, []).append(found.high - found.low)
    assert min(np.mean(each) for each in covered.values()) >= 0.88
    assert np.mean(widths["dr"]) < 0.8 * np.mean(widths["ips"])


def test_what_is_no_bandit_and_targets_over_other_actions_are_refused() -> None:
    data, logs, target = bandit(np.random.default_rng(5), 20)
    long = Dataset.build(data.obs, data.action, data.reward, np.arange(20) % 2 == 1, next_obs=data.obs)
    with pytest.raises(BadInput, match="2 steps"):
        reward_values(Logs.of(long, 1.0), long, target)
    with pytest.raises(BadInput, match=r"tells \(20, 2\)"):
        reward_values(logs, data, target[:, :2])
    with pytest.raises(BadInput, match="sum of 1"):
        reward_values(logs, data, target * 2)
    with pytest.raises(BadInput, match="from 0 to 1"):
        subgaussian(logs, strength=2.0)


def test_nothing_is_nan_where_the_target_takes_no_logged_action() -> None:
    data, _, target = bandit(np.random.default_rng(6), 20)
    logs = Logs.of(data, 1.0, np.full(20, np.log(0.5)), np.full(20, -np.inf))
    assert subgaussian(logs).value == 0
    assert np.isfinite(subgaussian(logs, reward_values(logs, data, target)).value)
