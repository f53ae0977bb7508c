"""Cal-QL: one update in float64, where it is CQL, the returns of logged and of lived rows, and learning."""

from dataclasses import replace
from functools import cache
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mooring.algorithms.value_regularization import cql_continuous
from mooring.algorithms.value_regularization.cal_ql import CalQL, best_value, calibrated, critic_loss
from mooring.data import load, save
from mooring.errors import BadInput
from mooring.finetuning import finetune
from mooring.losses import many_actions
from mooring.testing import check_learning, quick_compilation, small_data
from mooring.training import train
from reference import adam, assert_same, critics, doubles, gradient, next_update

TINY = {"hidden": (4,), "actor_hidden": (4,), "batch_size": 48, "learning_rate": 1e-2, "samples": 3}
DATA = small_data("continuous").with_reward(scale=2.0, shift=0.9)
ENV = f"{Path(__file__).parents[2] / 'small_env.py'}:make"


@pytest.fixture(autouse=True)
def _quickly():
    with quick_compilation():
        yield


def returns(reward, discount):
    """Of one episode, from each row on: a sum over the rows that follow, in float64."""
    ages = np.arange(len(reward))
    return np.array([np.sum(reward[row:] * discount ** ages[: len(reward) - row]) for row in ages])


@cache
def one_update():
    """An agent, a batch, a key, and what the update of that agent by that batch and key gives."""
    algorithm = CalQL(alpha=2.0, target_rate=0.1, discount=0.9, backup_samples=4, **TINY)
    key = jax.random.key(7)
    agent, batch, found, metrics = next_update(algorithm, DATA, 4, key)
    return algorithm, agent, batch, key, found, metrics


def test_nothing_is_pushed_down_below_the_return():
    q = jnp.asarray([[[1.0, -3.0, 5.0]], [[0.0, 2.0, 9.0]]])
    found = calibrated(q, jnp.asarray([4.0]), 1)
    np.testing.assert_array_equal(found, [[[1, 4, 5]], [[0, 4, 9]]])
    slope = jax.grad(lambda q: jnp.sum(calibrated(q, jnp.asarray([4.0]), 1)))(q)
    np.testing.assert_array_equal(slope, [[[1, 0, 1]], [[1, 0, 1]]])


def test_an_update_is_that_of_the_paper():
    _, agent, batch, key, found, metrics = one_update()
    old = agent.networks
    obs, action, reward, next_obs, continues, monte_carlo = doubles(
        (batch.obs, batch.action, batch.reward, batch.next_obs, batch.continues, batch["monte_carlo"])
    )
    assert {0, 1} == set(continues)
    _, next_key, proposal_key = jax.random.split(key, 3)

    def values(model, where, actions):
        rows, count, _ = actions.shape
        q = critics(model, np.repeat(where, count, axis=0), doubles(actions).reshape(rows * count, -1))
        return q.reshape(-1, rows, count)

    next_actions = jax.jit(many_actions, static_argnums=2)(old.actor.model, batch.next_obs, 4, next_key)
    next_q = values(doubles(old.target), next_obs, next_actions).min(axis=0).max(axis=1)
    target = 2 * reward + 0.9 + 0.9 * continues * next_q
    propose = jax.jit(cql_continuous.proposed_actions, static_argnums=2)
    proposals = propose(old.actor.model, batch, 3, proposal_key)

    def loss(model):
        q = values(model, obs, proposals.action)
        q[:, :, 3:] = np.maximum(q[:, :, 3:], monte_carlo[None, :, None])
        pushed = np.log(np.mean(np.exp(q) / np.exp(doubles(proposals.log_density)), axis=2))
        taken = critics(model, obs, action)
        return np.sum(2.0 * np.mean(pushed - taken, axis=1) + np.mean((taken - target) ** 2, axis=1))

    model = doubles(old.critics.model)
    share = np.mean(values(model, obs, proposals.action)[:, :, 3:] < monte_carlo[None, :, None])
    assert 0.05 < share < 0.95
    np.testing.assert_allclose(metrics["critic_loss"], loss(model), rtol=1e-5)
    new_critics = adam(old.critics, gradient(loss, model), 1e-2)
    assert_same(found.networks.critics.model, new_critics, 1e-5)
    slow = jax.tree.map(lambda target, model: 0.9 * target + 0.1 * model, doubles(old.target), new_critics)
    assert_same(found.networks.target, slow, 1e-5)


def test_without_returns_its_loss_is_that_of_cql():
    algorithm, agent, batch, *_ = one_update()
    unknown = replace(batch, extra={"monte_carlo": jnp.full(48, -jnp.inf)})

    @jax.jit
    def slopes(networks):
        proposals = cql_continuous.proposed_actions(networks.actor.model, batch, 3, jax.random.key(8))
        given = networks.critics.model, unknown, best_value(networks, batch.next_obs, 4, jax.random.key(9)), proposals
        ours = jax.grad(lambda *given: critic_loss(*given, 3, algorithm.alpha)[0])(*given)
        return ours, jax.grad(lambda *given: cql_continuous.critic_loss(*given, algorithm.alpha)[0])(*given)

    assert_same(*slopes(agent.networks))


def test_logged_rows_have_the_discounted_return_of_rewards_as_learning_sees_them():
    rows = CalQL(discount=0.9).source(DATA).rows
    for start, end in list(zip(DATA.starts, DATA.ends + 1, strict=True))[:40]:
        expected = returns(2.0 * DATA.reward[start:end].astype(np.float64) + 0.9, 0.9)
        np.testing.assert_allclose(rows["monte_carlo"][start:end], expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(rows.reward, DATA.reward)


def test_an_episode_that_only_fails_is_taken_to_fail_forever(tmp_path):
    """As of a sparse task: rewards are -3 as learning sees them, but in three rows of the log."""
    reward = np.zeros(len(DATA), np.float32)
    reward[[0, int(DATA.ends[3]), int(DATA.starts[7]) + 1]] = 1
    sparse = replace(small_data("continuous"), reward=reward).with_reward(scale=4.0, shift=-3.0)
    algorithm = CalQL(discount=0.9, failure=-3.0, **TINY)
    found = np.asarray(algorithm.source(sparse).rows["monte_carlo"])
    for episode, (start, end) in enumerate(zip(sparse.starts, sparse.ends + 1, strict=True)):
        expected = np.full(end - start, -30.0)
        if episode in (0, 3, 7):
            expected = returns(4.0 * reward[start:end].astype(np.float64) - 3.0, 0.9)
        np.testing.assert_allclose(found[start:end], expected, rtol=1e-5)
        np.testing.assert_allclose(algorithm.monte_carlo(4.0 * reward[start:end].astype(float) - 3.0), expected)
    with pytest.raises(BadInput, match="a discount below 1"):
        replace(algorithm, discount=1.0).source(sparse)


def test_lived_rows_get_it_when_their_episode_has_ended(tmp_path):
    algorithm = CalQL(discount=0.9, **TINY)
    train(algorithm, DATA, 3, folder=tmp_path)
    trained = finetune(
        tmp_path, 120, data=small_data("continuous"), env=ENV, warm_up=20, envs=2, evaluate_every=200, episodes=1
    )
    state = trained.run.source[1]
    assert state.count.tolist() == [120]
    assert trained.spec.reward_scale == 2
    whole = 0
    for place in range(2):
        last, reward, found = (
            np.asarray(column)[0, place:120:2]
            for column in (state.rows["last"], state.rows.reward, state.rows["monte_carlo"])
        )
        ends = np.flatnonzero(last) + 1
        for start, end in zip([0, *ends[:-1]], ends, strict=True):
            expected = returns(2.0 * reward[start:end].astype(np.float64) + 0.9, 0.9)
            np.testing.assert_allclose(found[start:end], expected, rtol=1e-5, atol=1e-6)
        assert (found[ends[-1] :] == -np.inf).all()
        whole += len(ends)
    assert whole >= 10


def test_data_that_lie_in_files_are_refused(tmp_path):
    save(small_data("continuous", episodes=5), tmp_path / "some.rows")
    with pytest.raises(BadInput, match="can not add the Monte Carlo returns; select episodes"):
        CalQL().source(load(tmp_path / "some.rows"))


@pytest.mark.every
@pytest.mark.learning
def test_it_learns():
    networks = {"hidden": (32, 32), "actor_hidden": (32, 32), "batch_size": 64, "target_rate": 0.02}
    rates = {"learning_rate": 3e-3, "actor_learning_rate": 3e-3, "discount": 0.9}
    check_learning(CalQL(alpha=0.5, samples=2, backup_samples=2, **networks, **rates), "continuous", 400, progress=0.7)
