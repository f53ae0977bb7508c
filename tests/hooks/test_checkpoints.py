"""The policy that is kept is the one whose worst episode was best: by hand, and through a voyage that is killed."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mooring import loop
from mooring.algorithms.online.td7 import TD7
from mooring.errors import BadInput
from mooring.finetuning import finetune
from mooring.hooks import Hook
from mooring.hooks.checkpoints import KeepBest
from mooring.loop import stack
from mooring.testing import quick_compilation, small_data
from mooring.training import train
from mooring.wrappers.stacked import Stacked

NAN = float("nan")
SMALL = f"{Path(__file__).parents[1] / 'small_env.py'}:make"
TINY = TD7(hidden=(4, 4), embedding=3, embedding_hidden=(4,), batch_size=16)


@pytest.fixture(scope="module", autouse=True)
def _quickly():
    with quick_compilation():
        yield


def numbered(agent, number):
    """With an actor all of whose weights are that number."""
    model = jax.tree.map(lambda leaf: jnp.full_like(leaf, number), agent.actor.model)  # each a buffer of its own
    return eqx.tree_at(lambda agent: agent.actor.model, agent, model)


def numbers(trained):
    """Of every member: which policy acts, and which one is kept."""
    agent = trained.run.agent
    last = lambda actor: jax.tree.leaves(actor.actor)[-1].reshape(2, -1)[:, 0].astype(int).tolist()
    return last(agent.acting), last(agent.best)


class Run(eqx.Module):
    """What the hook asks of a run."""

    agent: Any


def voyage(rows, algorithms, agent):
    """After each row (step, returns), as (acting, best) of both members; there are 2 steps an update."""
    session = SimpleNamespace(algorithms=algorithms, run=Run(agent), rows=[], members=[0, 1])
    hook, found = KeepBest(5, lambda step: 2 * step), []
    hook.begun(session)
    for step, returns in rows:
        session.run = Run(numbered(session.run.agent, step))
        session.rows += [{"kind": "collect", "step": step, "return": returns}]
        session.rows += [{"kind": "train", "step": step, "return": [99.0, 99.0]}]
        hook(session)
        found.append(numbers(session))
    return found


def test_the_rule_by_hand():
    """Until step 20 (40 lived) one episode judges, then two do, and the worst return so far counts nine tenths."""
    algorithms = stack([replace(TINY, judged_episodes=2, judged_since=40)] * 2)
    keys = jax.random.split(jax.random.key(0), 2)
    spec = small_data("continuous").spec()
    agent = jax.jit(jax.vmap(lambda algorithm, key: algorithm.init(key, spec)))(algorithms, keys)
    first = jnp.ones(2, bool)
    for _ in range(2):  # acts, then is kept
        agent = loop.renewed(algorithms, numbered(agent, 1), first, first)
    rows = [
        (5, [10.0, NAN]),  # the first is kept: 10
        (10, [20.0, 8.0]),  # better: what came at 5 is kept; the other's first is kept
        (15, [12.0, NAN]),  # worse: what came at 10 is dismissed
        (20, [19.0, 7.0]),  # 18 counts now, one is not enough; 7 against 7.2: dismissed
        (25, [18.5, 9.0]),  # the second: what came at 15 is kept, at 18.5
        (30, [18.0, 7.5]),  # worse than 18.5; the other is kept, at 7.5
        (35, [18.6, 7.4]),
        (40, [18.4, 9.0]),  # the second is worse
    ]
    assert voyage(rows, algorithms, agent) == [
        ([5, 1], [1, 1]),
        ([10, 10], [5, 1]),
        ([15, 10], [5, 1]),
        ([15, 20], [5, 1]),
        ([25, 20], [15, 1]),
        ([30, 30], [15, 20]),
        ([30, 35], [15, 20]),
        ([40, 35], [15, 20]),
    ]


class Kill(Hook):
    """Ends a training as Ctrl-C does, at a step."""

    every = 10

    def __call__(self, session):
        if session.step >= 230:
            raise KeyboardInterrupt


def test_a_killed_voyage_keeps_what_it_kept(tmp_path):
    train(TINY, small_data("continuous", episodes=20), 60, seeds=2, folder=tmp_path / "run")
    given = {"env": SMALL, "data": small_data("continuous", episodes=20), "warm_up": 10, "save_every": 30}
    given |= {"offline_share": 0.0, "settings": {"cloning_weight": 0.0, "judged_episodes": 3, "judged_since": 100}}
    unbroken = finetune(tmp_path / "run", 411, **given)
    with pytest.raises(KeyboardInterrupt):
        finetune(tmp_path / "run", 411, folder=tmp_path / "on", hooks=[Kill()], **given)
    resumed = finetune(tmp_path / "run", 411, folder=tmp_path / "on", resume=True, **given)
    for one, other in zip(*(jax.tree.leaves(each.run.agent) for each in (resumed, unbroken)), strict=True):
        np.testing.assert_array_equal(one, other)
    lived = lambda trained: [row for row in trained.rows if row["kind"] == "collect"]
    np.testing.assert_equal(lived(resumed), lived(unbroken))

    agent, algorithms = unbroken.run.agent, unbroken.algorithms
    obs = jnp.ones((2, 1, 2)) / 2
    greedy = lambda policies: jax.vmap(lambda policy, obs: policy.act((), obs[0], None)[0])(policies, obs)
    newest = loop.policies(stack([TINY] * 2), agent)
    policies = loop.policies(algorithms, agent), loop.acting(algorithms, agent), newest
    actions = [greedy(each) for each in policies]
    assert not np.allclose(actions[0], actions[1])
    assert not np.allclose(actions[1], actions[2])
    np.testing.assert_array_equal(greedy(unbroken.policies), actions[0])


def test_what_was_trained_acts_first_and_is_the_best_so_far(tmp_path):
    data = small_data("continuous", episodes=20)
    before = train(TINY, data, 60, folder=tmp_path / "run")
    algorithm = replace(TINY, judged_episodes=3)
    agent = jax.vmap(lambda key: algorithm.init(key, data.spec()))(jax.random.split(jax.random.key(1), 1))
    assert jax.tree.structure(agent) == jax.tree.structure(before.run.agent)
    adopted = algorithm.adopt(TINY, loop.member(before.run.agent, 0), jax.random.key(0), data.spec())
    obs = jnp.ones(2) / 3
    expected = before.policy().act((), obs, None)[0]
    for policy in (algorithm.policy(adopted), algorithm.acting(adopted)):
        np.testing.assert_allclose(policy.act((), obs, None)[0], expected, rtol=1e-6)

    again = algorithm.adopt(algorithm, numbered(adopted, 7), jax.random.key(0), data.spec())
    for policy in (algorithm.policy(again), algorithm.acting(again)):  # what was kept, not the newest
        np.testing.assert_allclose(policy.act((), obs, None)[0], expected, rtol=1e-6)


def test_without_acting_none_is_kept():
    with pytest.raises(BadInput, match="td7: keeps the best of the policies that act, and only in `finetune`"):
        train(replace(TINY, judged_episodes=3), small_data("continuous"), 1)
    with pytest.raises(BadInput, match="which no wrapper does"):
        Stacked(replace(TINY, judged_episodes=3), 2)
