"""Updates per second of every method at its paper's batch and widths, alone and with 4 seeds in one program.

    python benchmarks/speed.py [--seconds 6] [METHOD ...]

Shapes are Hopper's (11 observations, 3 actions; 5 actions where they are discrete), on made-up rows. Each figure is the
best of three stretches after compilation. Beside it stands the cost of an update over that of its matrix products
alone: each product of the update is timed by itself, one of a batch at a time, in the same run. A cloner shows what
an ordinary network costs over its products. A product of two 1024 x 1024 matrices is timed as well, so that figures
from unequal or busy machines can be compared. Models that a method trains first get a few updates, which is no part
of its figures; imagined rows are made anew once in 1,000 updates, which is (of those, one seed alone is timed).
"""

import argparse
import math
import os
import platform
import time
from collections import Counter
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from mooring import loop, registry
from mooring.data import Dataset
from mooring.testing import with_stages
from mooring.types import Algorithm

OBS, ACTIONS, CHOICES = 11, 3, 5
CHUNK = 1_000  # updates between two refreshes of a source
COPIES = 8  # of a product in one program, so that the time of a call does not count


def made_up(actions: str, rows: int = 50_000) -> Dataset:
    """Episodes of 500 steps of noise: speed does not depend on what is learned."""
    draw = np.random.default_rng(0)
    truncated = np.arange(rows) % 500 == 499
    obs, continuous = draw.normal(size=(rows, OBS)), np.tanh(draw.normal(size=(rows, ACTIONS)))
    action = continuous if actions == "continuous" else draw.integers(0, CHOICES, rows)
    return Dataset.build(obs, action, draw.normal(size=rows), np.zeros(rows, bool), truncated, next_obs=obs)


def updates_per_second(algorithm: Algorithm, data: Dataset, seeds: int, seconds: float) -> tuple[float, float]:
    """The rate of each member, and the seconds that compilation took."""
    algorithms, source = loop.stack([algorithm] * seeds), algorithm.source(data)
    run = loop.start(algorithms, source, data.spec(), loop.keys_of(range(seeds)))
    began = time.perf_counter()
    run, _ = loop.advance(algorithms, source, run, 1)
    jax.block_until_ready(run.step)
    compiled = time.perf_counter() - began
    refreshes = hasattr(algorithm, "rollouts")
    updates, rates = CHUNK if refreshes else 3, []
    while len(rates) < (1 if refreshes else 3):
        began = time.perf_counter()
        run, _ = loop.advance(algorithms, source, run, updates)
        jax.block_until_ready(run.step)
        took = time.perf_counter() - began
        if took < seconds / 6 and not refreshes:
            updates = max(updates * 2, int(updates * seconds / 3 / took))
            continue
        rates.append(updates / took)
    return max(rates), compiled


def product_seconds(algorithm: Algorithm, data: Dataset) -> float:
    """What the matrix products of one update take, each by itself."""
    return sum(times * seconds_of(*sizes) for sizes, times in traced_products(algorithm, data).items())


def traced_products(algorithm: Algorithm, data: Dataset) -> Counter[tuple[int, int, int]]:
    """How often one update makes each size of matrix product."""
    source, key = algorithm.source(data), jax.random.key(0)

    def started(key: Any) -> Any:
        agent = algorithm.init(key, data.spec())
        state = source.refresh(source.init(key), algorithm, agent, key)
        return agent, source.sample(state, key, algorithm.batch_size)

    agent, batch = jax.eval_shape(started, key)
    traced = jax.make_jaxpr(algorithm.update)(agent, batch, key, jnp.zeros((), int))
    share = 1 / getattr(algorithm, "actor_delay", 1)
    return products(traced.jaxpr, 1.0, share)


def products(jaxpr: Any, times: float, share: float) -> Counter[tuple[int, int, int]]:
    """How often an update multiplies an (m, k) by a (k, n) matrix; what is not always due counts by its share."""
    found: Counter[tuple[int, int, int]] = Counter()
    for equation in jaxpr.eqns:
        if equation.primitive.name == "dot_general":
            (contracted, _), (batched, _) = equation.params["dimension_numbers"]
            left, right = (value.aval.shape for value in equation.invars)
            k, b = (math.prod(left[axis] for axis in axes) for axes in (contracted, batched))
            found[math.prod(left) // (k * b), k, math.prod(right) // (k * b)] += times * b
        longer = times * equation.params.get("length", 1) if equation.primitive.name == "scan" else times
        inner = share * longer if equation.primitive.name == "cond" else longer
        for each in inner_jaxprs(equation):
            found += products(each, inner, share)
    return found


def inner_jaxprs(equation: Any) -> Iterator[Any]:
    for value in equation.params.values():
        for each in value if isinstance(value, tuple | list) else (value,):
            if hasattr(each, "eqns"):
                yield each
            elif hasattr(each, "jaxpr"):
                yield each.jaxpr


@cache
def seconds_of(m: int, k: int, n: int) -> float:
    """Of one product of float32 matrices, among copies of it, each with operands of its own."""
    left, right = jnp.ones((COPIES, m, k)), jnp.ones((COPIES, k, n))
    pairs = [(left[i], right[i]) for i in range(COPIES)]
    product = jax.jit(lambda pairs: [a @ b for a, b in pairs])
    jax.block_until_ready(product(pairs))
    repeats = max(5, min(200, int(2e9 / (2 * m * k * n * COPIES))))
    return min(timed(product, pairs) for _ in range(repeats)) / COPIES


def timed(function: Callable[[Any], Any], argument: Any) -> float:
    began = time.perf_counter()
    jax.block_until_ready(function(argument))
    return time.perf_counter() - began


def gigaflops() -> float:
    """Of a large product of float32 matrices: what the machine gives at most."""
    matrix = jnp.ones((1024, 1024))
    product = jax.jit(lambda x: x @ x)
    product(matrix).block_until_ready()
    return 2 * 1024**3 / min(timed(product, matrix) for _ in range(20)) / 1e9


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("methods", nargs="*", default=sorted({entry.name for entry in registry.entries()}))
    parser.add_argument("--seconds", type=float, default=6, help="time for each figure")
    given = parser.parse_args()
    print(
        f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, jax {jax.__version__}, {jax.devices()}"
    )
    print(f"1024 x 1024 product: {gigaflops():.0f} GFLOP/s\n")
    print("| method | updates/s | over its products | 4 seeds, each | 4 seeds, all | seconds to compile |")
    print("|---|---|---|---|---|---|")
    sets = {actions: made_up(actions) for actions in ("continuous", "discrete")}
    for entry in (each for each in registry.entries() if each.name in given.methods):
        for actions in entry.actions:
            (algorithm,) = with_stages([registry.load_class(entry)()], sets[actions], 10)
            one, compiled = updates_per_second(algorithm, sets[actions], 1, given.seconds)
            over = 1 / (one * product_seconds(algorithm, sets[actions]))
            name = entry.name if actions == "continuous" else f"{entry.name}, discrete"
            rates = f"{one:,.0f} | {over:.1f} | - | -"
            if not hasattr(algorithm, "rollouts"):
                each, _ = updates_per_second(algorithm, sets[actions], 4, given.seconds)
                rates = f"{one:,.0f} | {over:.1f} | {each:,.1f} | {4 * each:,.0f}"
            print(f"| {name} | {rates} | {compiled:.1f} |", flush=True)
            jax.clear_caches()


if __name__ == "__main__":
    main()
