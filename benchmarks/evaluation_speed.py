"""How fast policies are evaluated, beside the simulator alone, and what that takes from training.

    python benchmarks/evaluation_speed.py [--env Hopper-v5] [--members 4] [--episodes 10] [--steps 250] [--rounds 5]

Untrained policies of TD3+BC (two layers of 256) play in environments that end after `steps` steps and never before
(Hopper does not end when it falls), so that every round is the same work. Their actions are kept, and the simulator
alone repeats the same episodes with them, by a plain loop over `env.step`: on one core, and shared out over a process
for each core. The six are timed one after another in each round, on a machine that may be busy with other things, so
ratios are taken within a round, and their medians printed:

    one core        steps/s of the simulator alone, by one plain loop
    all cores       steps/s of the simulator alone, by a process for each core
    evaluation      steps/s of `Environments.rollout` in one process, nothing beside
    shared out      steps/s of the same with a process for each core
    beside training steps/s of the same, and updates/s, while TD3+BC is trained
    training        updates/s with nothing beside

Processor time for each step is printed too: it depends less on what else the machine does.
"""

import argparse
import multiprocessing
import os
import statistics
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import gymnasium
import jax
import numpy as np
from speed import CHUNK

from mooring import loop
from mooring.algorithms.policy_constraint.td3_bc import TD3BC
from mooring.data import Dataset
from mooring.environments.making import make
from mooring.evaluation.rollouts import Environments

SEED = 0


class Rate(NamedTuple):
    """Steps, or updates, a second, and the seconds of processor time that one took."""

    each_second: float
    processor: float


def endless(folder: Path, env_id: str, steps: int) -> str:
    """An environment whose episodes all have so many steps: a user's file, since other processes have to find it."""
    falls = {"terminate_when_unhealthy": False} if env_id.startswith(("Hopper", "Walker", "Ant", "Humanoid")) else {}
    options = {"max_episode_steps": steps, **falls}
    file = folder / "endless.py"
    file.write_text(f"import gymnasium\ndef env():\n    return gymnasium.make({env_id!r}, **{options!r})\n")
    return f"{file}:env"


class Recorded(gymnasium.Wrapper[Any, Any, Any, Any]):
    """Keeps the seed and the actions of the last episode."""

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        self.seed, self.actions = seed, []
        return self.env.reset(seed=seed, options=options)

    def step(self, action: Any) -> Any:
        self.actions.append(np.array(action))
        return self.env.step(action)


Episode = tuple[int, list[np.ndarray]]  # a seed, and actions


def repeat(envs: list[Any], episodes: list[Episode]) -> None:
    """The simulator alone: the same episodes again, their actions known."""
    for env, (seed, actions) in zip(envs, episodes, strict=True):
        env.reset(seed=seed)
        for action in actions:
            env.step(action)


def serve(env_id: str, episodes: list[Episode], pipe: Any) -> None:
    """A process that repeats its share of the episodes whenever it is told to."""
    envs = [make(env_id) for _ in episodes]
    pipe.send("ready")
    with suppress(EOFError):  # the other end closes when all rounds are done
        while pipe.recv():
            began = time.process_time()
            repeat(envs, episodes)
            pipe.send(time.process_time() - began)


def timed(work: Callable[[], Any], count: int) -> Rate:
    began, processor = time.perf_counter(), time.process_time()
    work()
    return Rate(count / (time.perf_counter() - began), (time.process_time() - processor) / count)


class Processes:
    """A process for each core, with a share of the episodes."""

    def __init__(self, env_id: str, episodes: list[Episode], cores: int) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipes = []
        for core in range(cores):
            ours, theirs = context.Pipe()
            share = (env_id, episodes[core::cores], theirs)
            context.Process(target=serve, args=share, daemon=True).start()
            self.pipes.append(ours)
        self.tell(None)

    def tell(self, word: bool | None) -> list[Any]:
        for pipe in self.pipes if word is not None else ():
            pipe.send(word)
        return [pipe.recv() for pipe in self.pipes]

    def rate(self, count: int) -> Rate:
        began = time.perf_counter()
        processor = sum(self.tell(True))
        return Rate(count / (time.perf_counter() - began), processor / count)


def logged(env: Any, rows: int = 20_000) -> Dataset:
    """Noise with the environment's shapes: what is learned from it does not matter here."""
    draw, size = np.random.default_rng(SEED), env.observation_space.shape[0]
    obs, action = draw.normal(size=(rows, size)), np.tanh(draw.normal(size=(rows, env.action_space.shape[0])))
    truncated = np.arange(rows) % 500 == 499
    return Dataset.build(obs, action, draw.normal(size=rows), np.zeros(rows, bool), truncated, next_obs=obs)


class Training:
    """TD3+BC, in chunks of about as many updates as are made in a second."""

    def __init__(self, data: Dataset, members: int) -> None:
        algorithm = TD3BC()
        self.fixed = loop.stack([algorithm] * members), algorithm.source(data)
        self.run = loop.start(*self.fixed, data.spec(), loop.keys_of(range(members)))
        self.updates = 1
        self.chunk()
        self.updates = max(1, min(CHUNK, int(timed(self.chunk, 1).each_second)))

    def chunk(self) -> None:
        self.run, metrics = loop.advance(*self.fixed, self.run, self.updates)
        jax.block_until_ready(metrics)

    def until(self, over: Callable[[], bool]) -> int:
        """Chunks until it is over, one at least; how many updates those were."""
        made = 0
        while not made or not over():
            self.chunk()
            made += self.updates
        return made


def rounds(given: argparse.Namespace, folder: Path) -> Iterator[dict[str, Rate]]:
    env_id, shape = endless(folder, given.env, given.steps), (given.members, given.episodes)
    cores, count = len(os.sched_getaffinity(0)), given.members * given.episodes * given.steps
    with make(env_id) as env:
        training = Training(logged(env), given.members)
    policies = loop.policies(training.fixed[0], training.run.agent)
    with Environments(env_id, *shape, made_by=lambda env_id: Recorded(make(env_id))) as first:
        first.rollout(policies, SEED)
        episodes = [(env.seed, env.actions) for env in first.group.envs]
    alone = [make(env_id) for _ in episodes]
    processes = Processes(env_id, episodes, cores)
    worker = ThreadPoolExecutor(1)
    with Environments(env_id, *shape) as ours, Environments(env_id, *shape, processes=cores) as shared:
        play, play_shared = (partial(each.rollout, policies, SEED) for each in (ours, shared))
        play()
        play_shared()
        for _ in range(given.rounds):
            found = {"one core": timed(partial(repeat, alone, episodes), count), "all cores": processes.rate(count)}
            found["evaluation"] = timed(play, count)
            found["shared out"] = timed(play_shared, count)._replace(processor=float("nan"))
            found["training"] = timed(training.chunk, training.updates)
            began, playing = time.perf_counter(), worker.submit(timed, play, count)
            updates = training.until(playing.done)
            found["training beside evaluation"] = Rate(updates / (time.perf_counter() - began), float("nan"))
            found["evaluation beside training"] = Rate(playing.result().each_second, float("nan"))
            yield found


RATIOS = (
    ("evaluation", "one core"),
    ("evaluation", "all cores"),
    ("shared out", "all cores"),
    ("evaluation beside training", "evaluation"),
    ("training beside evaluation", "training"),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--env", default="HalfCheetah-v5")
    for name, default in (("members", 4), ("episodes", 10), ("steps", 250), ("rounds", 5)):
        parser.add_argument(f"--{name}", type=int, default=default)
    given = parser.parse_args()
    with TemporaryDirectory() as folder:
        found = list(rounds(given, Path(folder)))
    print(f"{given.env}: {given.members} members x {given.episodes} episodes x {given.steps} steps")
    for name in found[0]:
        rates = [each[name].each_second for each in found]
        processor = statistics.median(each[name].processor for each in found) * 1e6
        spread = f"{statistics.median(rates):,.0f} a second ({min(rates):,.0f} to {max(rates):,.0f})"
        print(f"{name}: {spread}, {processor:,.0f} us of processor time each")
    for ours, theirs in RATIOS:
        ratios = [each[ours].each_second / each[theirs].each_second for each in found]
        print(f"{ours} over {theirs}: {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})")


if __name__ == "__main__":
    main()
