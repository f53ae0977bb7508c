"""Updates per second of methods at their papers' batch and widths, alone and with 4 seeds in one program.

    python benchmarks/speed.py [--seconds 10] [METHOD ...]

Shapes are Hopper's (11 observations, 3 actions), on made-up rows. Each figure is the best of three stretches after
compilation. A product of two 1024 x 1024 matrices is timed in the same run, so that figures from unequal or busy
machines can be compared.
"""

import argparse
import os
import platform
import time

import jax
import jax.numpy as jnp
import numpy as np

from mooring import loop
from mooring.algorithms.imitation.bc import BC
from mooring.algorithms.policy_constraint.td3_bc import TD3BC
from mooring.algorithms.sequence.dt import DT
from mooring.algorithms.uncertainty.sac_n import SACN
from mooring.algorithms.value_regularization.iql import IQL
from mooring.data import Dataset

METHODS = {
    "BC": BC(),
    "TD3+BC": TD3BC(),
    "IQL": IQL(),
    "SAC-10": SACN(critics=10),
    "Decision Transformer": DT(),
}


def made_up(rows: int = 50_000) -> Dataset:
    """Episodes of 500 steps of noise: speed does not depend on what is learned."""
    draw = np.random.default_rng(0)
    truncated = np.arange(rows) % 500 == 499
    obs, action = draw.normal(size=(rows, 11)), np.tanh(draw.normal(size=(rows, 3)))
    return Dataset.build(obs, action, draw.normal(size=rows), np.zeros(rows, bool), truncated, next_obs=obs)


def updates_per_second(algorithm, data: Dataset, seeds: int, seconds: float) -> tuple[float, float]:
    """The rate of each member, and the seconds that compilation took."""
    algorithms, source = loop.stack([algorithm] * seeds), algorithm.source(data)
    run = loop.start(algorithms, source, data.spec(), loop.keys_of(range(seeds)))
    began = time.perf_counter()
    run, _ = loop.advance(algorithms, source, run, 1)
    jax.block_until_ready(run.step)
    compiled = time.perf_counter() - began
    updates, rates = 10, []
    while len(rates) < 3:
        began = time.perf_counter()
        run, _ = loop.advance(algorithms, source, run, updates)
        jax.block_until_ready(run.step)
        took = time.perf_counter() - began
        if took < seconds / 6:
            updates = max(updates * 2, int(updates * seconds / 3 / took))
            continue
        rates.append(updates / took)
    return max(rates), compiled


def gigaflops() -> float:
    """Of a large product of float32 matrices: what the machine gives at most."""
    matrix = jnp.ones((1024, 1024))
    product = jax.jit(lambda x: x @ x)
    product(matrix).block_until_ready()
    best = min(_timed(product, matrix) for _ in range(20))
    return 2 * 1024**3 / best / 1e9


def _timed(product, matrix) -> float:
    began = time.perf_counter()
    product(matrix).block_until_ready()
    return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("methods", nargs="*", default=list(METHODS), help=f"of {', '.join(METHODS)}")
    parser.add_argument("--seconds", type=float, default=10, help="time for each figure")
    given = parser.parse_args()
    data = made_up()
    print(
        f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, jax {jax.__version__}, {jax.devices()}"
    )
    print(f"1024 x 1024 product: {gigaflops():.0f} GFLOP/s")
    print(f"{'method':22}{'updates/s':>12}{'4 seeds, each':>15}{'4 seeds, all':>14}{'compile s':>11}")
    for name in given.methods:
        one, compiled = updates_per_second(METHODS[name], data, 1, given.seconds)
        each, _ = updates_per_second(METHODS[name], data, 4, given.seconds)
        print(f"{name:22}{one:12.0f}{each:15.1f}{4 * each:14.0f}{compiled:11.1f}", flush=True)


if __name__ == "__main__":
    main()
