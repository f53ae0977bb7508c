"""Watching: its numbers against those of the agent, alarms where values run away, and training that goes on as ever."""

import json
from dataclasses import replace

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mooring.algorithms.distributional.tqc import TQC
from mooring.algorithms.imitation.bc import BC
from mooring.algorithms.online.dqn import DQN
from mooring.algorithms.policy_constraint.td3_bc import TD3BC
from mooring.algorithms.value_regularization.iql import IQL
from mooring.data import Dataset, Discrete
from mooring.diagnostics.light import Light
from mooring.diagnostics.look import look_at
from mooring.hooks.watch import Watch
from mooring.loop import member
from mooring.networks.critics import q_values
from mooring.testing import quick_compilation, small_data
from mooring.training import train

SMALL = {"hidden": (8, 8), "batch_size": 8}
LOOK = eqx.filter_jit(look_at)
NUMBERS = {"seem", "q", "bound", "implied", "gap", "dead", "light"}


@pytest.fixture(scope="module")
def data():
    return small_data("continuous", episodes=20)


def watched(algorithm, data, steps, every, **how):
    with quick_compilation():
        return train(algorithm, data, steps, watch_every=every, **how)


def looks(trained):
    return [row for row in trained.rows if row["kind"] == "watch"]


HOW = {"seeds": 2, "chunk": 10, "save_every": 10}
METHOD = TD3BC(**SMALL)


@pytest.fixture(scope="module")
def trained(data, tmp_path_factory):
    return watched(METHOD, data, 24, 8, folder=tmp_path_factory.mktemp("watch"), **HOW)


def test_watching_changes_nothing_and_is_a_row_for_each_look(data, trained):
    plain = watched(METHOD, data, 24, None, **HOW)
    jax.tree.map(np.testing.assert_array_equal, trained.run.agent, plain.run.agent)
    assert [row["step"] for row in looks(trained)] == [8, 16, 24]
    for row in looks(trained):
        assert set(row) - {"stage", "step", "kind"} == NUMBERS
        assert all(len(row[name]) == 2 for name in NUMBERS)
        assert np.isfinite([row[name] for name in NUMBERS]).all()
    lines = [json.loads(line) for line in (trained.folder / "metrics.jsonl").read_text().splitlines()]
    assert [line for line in lines if line["kind"] == "watch"] == looks(trained)


def test_the_numbers_are_the_agents(data, trained):
    agent, row, rows = member(trained.run.agent, 1), looks(trained)[-1], Watch(10, data).rows
    batch = agent.normalizer.batch(rows)
    q = q_values(agent.critics.model, batch.obs, batch.action)
    chosen = q_values(agent.critics.model, batch.obs, jax.vmap(agent.actor.model)(batch.obs))
    largest = max(np.abs(each).mean(axis=1).max() for each in (q, chosen))
    np.testing.assert_allclose(row["q"][1], largest, rtol=1e-5)
    np.testing.assert_allclose(row["gap"][1], jnp.mean(chosen - q), rtol=1e-3, atol=1e-6)
    np.testing.assert_allclose(row["bound"][1], np.abs(data.reward).max() / 0.01, rtol=1e-5)
    next_action = jax.vmap(agent.actor.model)(batch.next_obs)
    ahead, target = (q_values(c, batch.next_obs, next_action) for c in (agent.critics.model, agent.target_critics))
    goes_on = np.asarray(batch.continues) > 0
    implied = LOOK(METHOD, agent, rows).implied
    np.testing.assert_allclose(implied[:, goes_on], (ahead - 0.99 * target)[:, goes_on], rtol=1e-4, atol=1e-6)


def test_what_follows_a_termination_means_nothing(data, trained):
    agent, rows = member(trained.run.agent, 1), Watch(10, data).rows
    ended = np.asarray(rows.continues) == 0
    assert ended.any()
    garbage = replace(rows, next_obs=jnp.where(ended[:, None], jnp.nan, rows.next_obs))
    jax.tree.map(np.testing.assert_array_equal, LOOK(METHOD, agent, garbage), LOOK(METHOD, agent, rows))


@pytest.mark.every
@pytest.mark.parametrize("algorithm", [IQL(**SMALL), TQC(actor_hidden=(8,), critics=3, quantiles=4, **SMALL)])
def test_other_critics_are_watched_too(data, algorithm):
    (row,) = looks(watched(algorithm, data, 4, 4))
    assert np.isfinite([row[name] for name in NUMBERS]).all()


def test_an_agent_without_critics_is_left_alone(data):
    trained = watched(BC(**SMALL), data, 4, 4)
    assert looks(trained) == []


def test_values_that_run_away_turn_the_light_red_in_time_and_in_their_member_alone():
    """Every state leads to one twice as far, where there is no data (Tsitsiklis and Van Roy 1997).

    Q there is nearly twice as large too, so targets run away where 2 discount > 1, and else do not.
    """
    draw, rows = np.random.default_rng(0), 200
    obs = draw.uniform(0.5, 1, (rows, 1)).astype(np.float32)
    columns = {"terminated": np.zeros(rows, bool), "truncated": np.ones(rows, bool), "action_space": Discrete(2)}
    reward = np.where(np.arange(rows) == 0, 1.0, 0.2)
    doubling = Dataset.build(obs=obs, next_obs=2 * obs, action=np.arange(rows) % 2, reward=reward, **columns)
    agent = DQN(hidden=(8,), batch_size=16, learning_rate=1e-2, target_period=10)
    found = looks(watched(agent, doubling, 1000, 50, sweep={"discount": [0.3, 0.99, 1.0]}))
    lights, over = (np.array([row[name] for row in found]) for name in ("light", "q"))
    over = over > np.array([row["bound"] for row in found])
    assert not over[:, 0].any()
    assert (lights[:, 0] == Light.GREEN).all()
    assert over[-1, 1]
    assert np.isinf(found[-1]["bound"][2])
    assert lights[-1, 2] == Light.RED
    assert all(gap >= 0 for row in found for gap in row["gap"])  # of the greedy action, over the data's
    assert np.argmax(lights[:, 1] == Light.RED) + 2 <= np.argmax(over[:, 1])  # at least 100 updates ahead
