"""Writes what Mooring's first updates give, from known rows and noise, for `check_torch` to compare.

    python -m contenders.check_ours METHOD FILE.npz

The file holds every array of the fresh agent under its path in the agent, and the metrics of each update by name.
"""

import sys
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from contenders.known import FIRST, UPDATES, batches, noise, uniform_noise, work_of
from contenders.ours import algorithm, dataset
from mooring.types import Batch

COLUMNS = ("obs", "action", "reward", "next_obs", "continues")


def main(name: str, file: str) -> None:
    work = work_of(name)
    method, spec = algorithm(work), dataset(work.discrete).spec()
    agent = method.init(jax.random.key(0), spec)
    found = {jax.tree_util.keystr(path): np.asarray(leaf) for path, leaf in jax.tree_util.tree_leaves_with_path(agent)}
    jax.random.normal = lambda key, shape=(), dtype=float: jnp.asarray(noise(shape))
    jax.random.uniform = known_uniform
    update = jax.jit(method.update)
    for step, columns in zip(range(UPDATES), batches(work), strict=True):
        batch = Batch(
            *(jnp.asarray(columns.pop(name)) for name in ("obs", "action", "reward", "next_obs", "continues"))
        )
        batch.extra.update({name: jnp.asarray(column) for name, column in columns.items()})
        agent, metrics = update(agent, batch, jax.random.key(1), jnp.asarray(FIRST + step))
        found |= {f"{step} {name}": np.asarray(jnp.mean(value)) for name, value in metrics.items()}
    np.savez(file, **found)


def known_uniform(key: Any, shape: tuple[int, ...] = (), dtype: Any = float, minval: Any = 0.0, maxval: Any = 1.0):
    return minval + (maxval - minval) * jnp.asarray(uniform_noise(shape))


if __name__ == "__main__":
    main(*sys.argv[1:])
