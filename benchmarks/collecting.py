"""What collecting costs: SAC's updates alone, and as many with a step in HalfCheetah for each, by environments.

    python benchmarks/collecting.py [--envs 1 10 50] [--rounds 6]

Stretches of both alternate, so that a busy machine slows both alike: the share is worth more than the rates.
"""

import argparse
import time

import jax
import jax.numpy as jnp

from mooring import loop
from mooring.algorithms.online.sac import SAC
from mooring.data.collecting import Task, roll_out, uniform_policy
from mooring.environments.players import Players
from mooring.sources import Replay, add_rows
from mooring.types import Batch

ENV, BLOCK, BLOCKS = "HalfCheetah-v5", 50, 10


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--envs", type=int, nargs="+", default=[1, 10, 50])
    parser.add_argument("--rounds", type=int, default=6)
    given = parser.parse_args()
    task = Task.of(ENV)
    first = roll_out(uniform_policy(task), task, 2_000, "first", envs=10)
    algorithms, replay = loop.stack([SAC()]), Replay.of(first, 100_000)
    run = loop.start(algorithms, replay, first.spec(), loop.keys_of([0]))
    run, _ = loop.advance(algorithms, replay, run, BLOCK)
    print(f"{'environments':>12}{'updates/s alone':>17}{'with steps/s':>14}{'share of time for steps':>25}")
    for envs in given.envs:
        players, spent = Players(task.env, 1, envs, 0), [0.0, 0.0]
        for round_ in range(given.rounds + 1):  # the first compiles
            for collects in (False, True):
                began = time.perf_counter()
                for _ in range(BLOCKS):
                    run, _ = loop.advance(algorithms, replay, run, BLOCK)
                    if collects:
                        rows = players.play(loop.policies(algorithms, run.agent), BLOCK // envs)
                        batch = Batch(*jax.tree.map(jnp.asarray, rows[:5]))
                        run = loop.Run(run.agent, add_rows(replay, run.source, batch), run.key, run.step)
                jax.block_until_ready(run)
                spent[collects] += (time.perf_counter() - began) * (round_ > 0)
        players.close()
        alone, both = (given.rounds * BLOCKS * BLOCK / seconds for seconds in spent)
        print(f"{envs:12}{alone:17.0f}{both:14.0f}{1 - both / alone:25.0%}", flush=True)


if __name__ == "__main__":
    main()
