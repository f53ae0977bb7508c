"""The loop, by an algorithm that writes down what it was given at each step."""

from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mooring.loop import advance, keys_of, member, policies, results, stack, start
from mooring.testing import small_data
from mooring.types import Algorithm, Batch, Policy, Source, static

STEPS = 6
SPEC = small_data("continuous").spec()


class Still(Policy):
    total: Any

    def act(self, memory, obs, key):
        return self.total, memory


class Diary(Algorithm):
    """Its agent holds the bits of each step's keys, a sum of random numbers, and how many updates it has seen."""

    name: ClassVar[str] = "diary"
    actions: ClassVar[tuple[str, ...]] = ("continuous",)
    rate: float = 1.0
    batch_size: int = static(4)

    def init(self, key, spec):
        return {
            "sample": jnp.zeros((STEPS, 2), jnp.uint32),
            "update": jnp.zeros((STEPS, 2), jnp.uint32),
            "total": jax.random.uniform(key),
            "count": jnp.zeros((), jnp.int32),
        }

    def update(self, agent, batch, key, step):
        agent = {
            "sample": agent["sample"].at[step].set(batch["key"][0]),
            "update": agent["update"].at[step].set(jax.random.key_data(key)),
            "total": agent["total"] + self.rate * jax.random.normal(key) + jnp.mean(batch.reward),
            "count": agent["count"] + 1,
        }
        metrics = {
            "step": step.astype(jnp.float32),
            "every_third": jnp.where(step % 3 == 0, step.astype(jnp.float32), jnp.nan),
            "never": jnp.asarray(jnp.nan),
            "row": jnp.arange(4.0),
        }
        return agent, metrics

    def policy(self, agent):
        return Still(agent["total"])

    def result(self, agent):
        return {"half": agent["total"] / 2}


class Drawn(Source):
    """Rewards are drawn from the key, which the batch carries; the state tells how often each method was called."""

    def init(self, key):
        none = jnp.zeros((), jnp.int32)
        return {"refreshed": none, "fed": none, "key": jnp.zeros((STEPS, 2), jnp.uint32)}

    def refresh(self, state, algorithm, agent, key):
        keys = state["key"].at[agent["count"]].set(jax.random.key_data(key))
        return {**state, "refreshed": state["refreshed"] + 1, "key": keys}

    def sample(self, state, key, size):
        reward = jax.random.normal(key, (size,))
        bits = jnp.broadcast_to(jax.random.key_data(key)[None], (size, 2))
        return Batch(reward[:, None], reward[:, None], reward, reward[:, None], jnp.ones(size), {"key": bits})

    def feedback(self, state, batch, metrics):
        assert metrics["row"].shape == batch.reward.shape
        return {**state, "fed": state["fed"] + 1}


def trained(members, seeds, chunks=(STEPS,)):
    algorithms = stack(members)
    run = start(algorithms, Drawn(), SPEC, keys_of(seeds))
    for updates in chunks:
        run, metrics = advance(algorithms, Drawn(), run, updates)
    return run, metrics


def same(one, other):
    return jax.tree.all(jax.tree.map(lambda a, b: bool(jnp.array_equal(a, b)), one, other))


@pytest.mark.parametrize("chunks", [(1, 5), (2, 2, 2), (5, 1)])
def test_where_training_is_cut_leaves_no_trace(chunks):
    assert same(trained([Diary()], [0])[0].agent, trained([Diary()], [0], chunks)[0].agent)


def test_each_member_trains_as_it_would_alone():
    members, seeds = [Diary(), Diary(), Diary(rate=0.5)], [0, 7, 0]
    together, metrics = trained(members, seeds)
    for index, (each, seed) in enumerate(zip(members, seeds, strict=True)):
        assert same(member(together.agent, index), member(trained([each], [seed])[0].agent, 0))
    assert len(set(together.agent["total"].tolist())) == 3
    assert all(value.shape == (3,) for value in metrics.values())


def test_the_step_is_one_number_for_all_members():
    run, _ = trained([Diary(), Diary()], [0, 1], (2, 3))
    assert run.step.shape == ()
    assert run.step == 5
    assert run.key.shape == (2,)


@pytest.mark.parametrize("updates", [0, 1, 4])
def test_exactly_so_many_updates_are_made(updates):
    run, _ = trained([Diary()], [0], (updates,))
    assert run.agent["count"] == run.source["fed"] == run.step == updates


def test_metrics_are_means_over_the_steps_that_measured_them():
    _, metrics = trained([Diary()], [0], (5,))
    assert metrics["step"] == np.mean([0, 1, 2, 3, 4])
    assert metrics["every_third"] == np.mean([0, 3])
    assert jnp.isnan(metrics["never"])
    assert metrics["row"] == np.mean([0, 1, 2, 3])
    assert jnp.isnan(trained([Diary()], [0], (0,))[1]["step"])


def test_no_key_is_used_twice():
    run, _ = trained([Diary(), Diary()], [0, 1], (1,) * STEPS)
    bits = jnp.concatenate([run.agent["sample"], run.agent["update"], run.source["key"]], axis=1)
    used = np.asarray(bits).reshape(-1, 2)
    assert len(np.unique(used, axis=0)) == 2 * 3 * STEPS


def test_the_source_is_refreshed_once_a_chunk():
    assert trained([Diary()], [0], (6,))[0].source["refreshed"] == 1
    assert trained([Diary()], [0], (1, 3, 2))[0].source["refreshed"] == 3


def test_the_run_that_goes_in_is_donated():
    algorithms = stack([Diary()])
    run = start(algorithms, Drawn(), SPEC, keys_of([0]))
    advance(algorithms, Drawn(), run, 1)
    with pytest.raises(RuntimeError, match="deleted"):
        np.asarray(run.agent["total"])


def test_one_compilation_serves_chunks_of_every_length():
    class Fresh(Diary):
        pass

    before = advance._cache_size()
    trained([Fresh()], [0], (1, 3, 2))
    assert advance._cache_size() == before + 1


def test_results_and_policies_come_stacked():
    members = [Diary(), Diary()]
    run, _ = trained(members, [0, 1])
    total = run.agent["total"]
    assert jnp.array_equal(results(stack(members), run.agent)["half"], total / 2)
    assert jnp.array_equal(member(policies(stack(members), run.agent), 1).total, total[1])


def test_keys_differ_by_seed_and_by_salt():
    keys = jnp.concatenate([keys_of([0, 1, 2]), keys_of([0, 1, 2], salt=1)])
    assert len(np.unique(np.asarray(jax.random.key_data(keys)), axis=0)) == 6


def test_stacking_and_taking_a_member_are_inverse():
    tree = eqx.tree_at(lambda diary: diary.rate, Diary(), jnp.asarray(0.25))
    assert member(stack([Diary(), tree]), 1).rate == 0.25
