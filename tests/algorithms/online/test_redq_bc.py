"""REDQ+BC: one update in float64, its control online, and learning."""

from functools import cache
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mooring.algorithms.online.redq_bc import REDQBC
from mooring.errors import BadInput
from mooring.finetuning import finetune
from mooring.hooks import Hook
from mooring.loop import member
from mooring.testing import branches, check_learning, quick_compilation, small_data
from mooring.training import train
from reference import adam, assert_same, critics, doubles, gradient, mlp, next_update

DATA = small_data("continuous")
TINY = {"hidden": (5,), "critics": 3, "batch_size": 48, "learning_rate": 1e-2, "target_rate": 0.1}
ALGORITHM = REDQBC(**TINY, cloning_weight=0.7, target_noise=1.0, discount=0.9)
ENV = f"{Path(__file__).parents[2] / 'small_env.py'}:make"


@pytest.fixture(autouse=True)
def _quickly():
    with quick_compilation():
        yield


@cache
def update(step):
    return next_update(ALGORITHM, DATA, 4, jax.random.key(7), step)


def critics_after(agent, batch):
    """The target is the least of two of the three target critics, at the smoothed target action."""
    obs, action, reward, continues, next_obs = doubles(
        (batch.obs, batch.action, batch.reward, batch.continues, batch.next_obs)
    )
    assert {0, 1} == set(continues)
    subset_key, noise_key = jax.random.split(jax.random.key(7))
    some = np.asarray(jax.random.choice(subset_key, 3, (2,), replace=False))
    noise = np.clip(np.asarray(jax.random.normal(noise_key, action.shape), np.float64), -0.5, 0.5)
    next_action = np.clip(np.tanh(mlp(doubles(agent.target_actor).net, next_obs)) + noise, -1, 1)
    next_q = critics(doubles(agent.target_critics), next_obs, next_action)[some].min(axis=0)
    target = reward + 0.9 * continues * next_q
    loss = lambda model: ((critics(model, obs, action) - target) ** 2).mean(axis=1).sum()
    return adam(agent.critics, gradient(loss, doubles(agent.critics.model)), 1e-2)


def test_an_update_is_that_of_the_paper():
    agent, batch, found, metrics = update(4)
    new_critics = critics_after(agent, batch)
    assert_same(found.critics.model, new_critics, 1e-5)

    obs, action = doubles((batch.obs, batch.action))
    old = doubles(agent.actor.model)
    size = np.abs(critics(new_critics, obs, np.tanh(mlp(old.net, obs))).mean(axis=0)).mean()

    def loss(actor):
        chosen = np.tanh(mlp(actor.net, obs))
        return -critics(new_critics, obs, chosen).mean() / size + 0.7 * np.mean((chosen - action) ** 2)

    assert metrics["actor_loss"] == pytest.approx(loss(old), rel=1e-4)
    new_actor = adam(agent.actor, gradient(loss, old), 1e-2)
    assert_same(found.actor.model, new_actor, 1e-5)
    slow = lambda target, model: 0.9 * target + 0.1 * model
    assert_same(found.target_actor, jax.tree.map(slow, doubles(agent.target_actor), new_actor), 1e-5)
    assert_same(found.target_critics, jax.tree.map(slow, doubles(agent.target_critics), new_critics), 1e-5)


def test_actor_and_targets_wait():
    agent, batch, found, metrics = update(5)
    assert_same(found.critics.model, critics_after(agent, batch), 1e-5)
    for name in ("actor", "target_actor", "target_critics"):
        assert_same(getattr(found, name), getattr(agent, name), tolerance=0)
    assert jnp.isnan(metrics["actor_loss"])
    assert branches([ALGORITHM] * 2, DATA) == (1, 1)


class Kill(Hook):
    every = 1

    def __call__(self, session):
        if session.step > 120:
            raise KeyboardInterrupt


@pytest.mark.every
def test_its_weight_follows_the_returns_of_each_member_online(tmp_path):
    """And ends where it ends without a break. The log's returns, here of 5 episodes, make the scores."""
    data = small_data("continuous", episodes=5)
    train(REDQBC(**TINY | {"batch_size": 8}), data, 20, sweep={"cloning_weight": [0.4, 2.0]}, folder=tmp_path / "off")
    control = {"proportional": 1e-3, "derivative": 3e-3}
    voyage = {"env": ENV, "data": data, "warm_up": 50, "envs": 2, "evaluate_every": 300, "episodes": 1}
    voyage |= {"settings": control, "offline_share": None, "save_every": 50, "folder": tmp_path / "on"}
    with pytest.raises(KeyboardInterrupt):
        finetune(tmp_path / "off", 250, hooks=[Kill()], **voyage)
    resumed = finetune(tmp_path / "off", 250, resume=True, **voyage)
    unbroken = finetune(tmp_path / "off", 250, **voyage | {"folder": None})
    assert_same(resumed.run.agent, unbroken.run.agent, 0)
    np.testing.assert_array_equal(resumed.algorithms.cloning_weight, unbroken.algorithms.cloning_weight)

    low, high = data.returns.min(), data.returns.max()
    told = [row for row in unbroken.rows if row["kind"] == "collect"]
    assert [row["step"] for row in told] == [20, 70, 120, 170, 220]
    for who, most in enumerate((0.4, 2.0)):
        weight, average = most, None
        for row in told:
            score = (row["return"][who] - low) / (high - low)
            if average is not None:
                weight += 50 * (1e-3 * (average - 1.05) + 3e-3 * max(0, average - score))
                weight = min(max(weight, 0), most)
            average = score if average is None else 0.95 * average + 0.05 * score
        assert weight < most
        assert float(member(unbroken.algorithms, who).cloning_weight) == pytest.approx(weight, rel=1e-5)


def test_returns_that_are_all_the_same_tell_no_score(tmp_path):
    one = small_data("continuous", episodes=5).select([0])
    train(REDQBC(**TINY | {"batch_size": 8}), one, 1, folder=tmp_path)
    with pytest.raises(BadInput, match="every episode has the same return"):
        finetune(tmp_path, 2_000, env=ENV, data=one)


@pytest.mark.every
@pytest.mark.learning
def test_it_learns():
    small = {"hidden": (32, 32), "batch_size": 64, "critics": 4, "learning_rate": 3e-3, "target_rate": 0.02}
    check_learning(REDQBC(**small, discount=0.9, cloning_weight=0.1), "continuous", 400, progress=0.9)
