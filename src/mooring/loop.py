"""The one training loop, on the device: a `Run` is all that changes, `advance` changes it.

Everything here is a population of P members: several seeds, several settings, or one (P = 1). Leaves of an
algorithm and of a run lead with that axis, except the step, which is shared: with it batched, a delayed update would
compile to a select that computes both branches.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Key, PyTree, UInt32

from mooring.threefry import write_out
from mooring.types import Algorithm, Metrics, Policy, PRNGKey, Source, Spec, Step

write_out()

# On CPUs, matrix products by Eigen: YNNPACK's keep to one core where rows are many (docs/speed.md). The option is
# known to exist in these versions; one that does not exist is an error.
COMPILER = {"xla_cpu_experimental_ynn_fusion_type": ""} if (0, 10) <= jax.__version_info__[:2] <= (0, 12) else {}


class Run(eqx.Module):
    """All that changes while training: one pytree, one checkpoint."""

    agent: Any
    source: PyTree
    key: Key[Array, "..."]
    step: Step


def stack(members: Sequence[Any]) -> Any:
    """Equal pytrees as one, with a leading population axis."""

    def stacked(*leaves: Any) -> Array:
        if any(isinstance(leaf, jax.Array) for leaf in leaves):
            return jnp.stack([jnp.asarray(leaf) for leaf in leaves])
        return jax.device_put(np.stack(leaves))  # settings: jnp.stack would compile a program for them

    return jax.tree.map(stacked, *members)


def member(population: Any, index: int) -> Any:
    """One member of a stacked pytree."""
    return jax.tree.map(lambda leaf: leaf[index], population)


@jax.jit
def start(algorithms: Algorithm, source: Source, spec: Spec, keys: Key[Array, " P"]) -> Run:
    """Fresh runs at step 0 of a population of algorithms, one for each key."""

    def one(algorithm: Algorithm, key: PRNGKey) -> tuple[Any, PyTree, PRNGKey]:
        agent_key, source_key, run_key = jax.random.split(key, 3)
        return algorithm.init(agent_key, spec), source.init(source_key), run_key

    agent, state, run_keys = jax.vmap(one)(algorithms, keys)
    run = Run(agent, state, run_keys, jnp.zeros((), jnp.int32))
    # weak types (as of jnp.full(n, 0.1)) would turn strong in an update, and `advance` would compile once more
    return jax.tree.map(lambda leaf: jax.lax.convert_element_type(leaf, leaf.dtype), run)


@partial(jax.jit, donate_argnames="run", compiler_options=COMPILER)
def advance(
    algorithms: Algorithm, source: Source, run: Run, updates: Int[Array, ""] | int
) -> tuple[Run, dict[str, Float[Array, " P"]]]:
    """Refreshes the source once, then makes `updates` updates; returns the new run and each metric's mean.

    What happens at a step depends on the run's key and the step alone, so where training was cut into chunks (or
    killed) leaves no trace, except that a source's refresh happens once a chunk. The number of updates is traced: one
    compilation serves every chunk. The run that goes in is donated: use the one that comes out.
    """

    def refreshed(algorithm: Algorithm, run: Run) -> Run:
        _, _, key = keys_at_step(run)
        return Run(run.agent, source.refresh(run.source, algorithm, run.agent, key), run.key, run.step)

    def once(algorithm: Algorithm, run: Run) -> tuple[Run, Metrics]:
        sample_key, update_key, _ = keys_at_step(run)
        batch = source.sample(run.source, sample_key, algorithm.batch_size)
        agent, metrics = algorithm.update(run.agent, batch, update_key, run.step)
        state = source.feedback(run.source, batch, metrics)
        return Run(agent, state, run.key, run.step + 1), {k: jnp.mean(v) for k, v in metrics.items()}

    axes = eqx.tree_at(lambda run: run.step, jax.tree.map(lambda _: 0, run), None)
    every = partial(jax.vmap, in_axes=(0, axes))
    run = every(refreshed, out_axes=axes)(algorithms, run)
    step = jax.jit(every(once, out_axes=(axes, 0)))  # traced once: for the shapes here and for the loop below
    zeros = jax.tree.map(lambda m: jnp.zeros(m.shape), jax.eval_shape(step, algorithms, run)[1])

    def body(_: Array, carry: tuple[Run, Metrics, Metrics]) -> tuple[Run, Metrics, Metrics]:
        run, total, count = carry
        run, metrics = step(algorithms, run)
        total = jax.tree.map(lambda sum, new: sum + jnp.where(jnp.isnan(new), 0, new), total, metrics)
        return run, total, jax.tree.map(lambda n, new: n + ~jnp.isnan(new), count, metrics)

    run, total, count = jax.lax.fori_loop(0, updates, body, (run, zeros, zeros))
    return run, jax.tree.map(jnp.divide, total, count)


@jax.jit
def results(algorithms: Algorithm, agents: Any) -> Any:
    """What each member leaves behind as a stage of another algorithm."""
    return jax.vmap(lambda algorithm, agent: algorithm.result(agent))(algorithms, agents)


@jax.jit
def policies(algorithms: Algorithm, agents: Any) -> Any:
    """Every member's policy, stacked."""
    return jax.vmap(lambda algorithm, agent: algorithm.policy(agent))(algorithms, agents)


@jax.jit
def acting(algorithms: Algorithm, agents: Any) -> Policy:
    """What acts of every member while it learns, stacked."""
    return jax.vmap(lambda algorithm, agent: algorithm.acting(agent))(algorithms, agents)


@partial(jax.jit, donate_argnames="agents")
def renewed(algorithms: Algorithm, agents: Any, keep: Bool[Array, " P"], renew: Bool[Array, " P"]) -> Any:
    """Every member's agent, with other policies that act or are kept."""

    def one(algorithm: Algorithm, agent: Any, keep: Bool[Array, ""], renew: Bool[Array, ""]) -> Any:
        return algorithm.renewed(agent, keep, renew)

    return jax.vmap(one)(algorithms, agents, keep, renew)


def keys_at_step(run: Run) -> Key[Array, "3"]:
    """To sample, to update and to refresh with. One split, since fold_in(key, i) is what split(key)[i] is."""
    return jax.random.split(jax.random.fold_in(run.key, run.step), 3)


def keys_of(seeds: Sequence[int], salt: int = 0) -> Key[Array, " P"]:
    """One key for each seed; different salts (stages, for one) give unrelated keys."""
    return _salted(np.asarray(seeds, np.int32), np.uint32(salt))


@jax.jit
def _salted(seeds: Int[Array, " P"], salt: UInt32[Array, ""]) -> Key[Array, " P"]:
    return jax.vmap(lambda seed: jax.random.fold_in(jax.random.key(seed), salt))(seeds)
