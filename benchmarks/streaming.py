"""Training from a folder of rows on the disk, against training on rows in memory: speed and resident memory.

    python benchmarks/streaming.py make FOLDER [--gigabytes 20]     writes made-up rows
    python benchmarks/streaming.py train FOLDER [--seconds 60]      trains on them, and on some of them in memory

Shapes are HalfCheetah's (17 observations, 6 actions). Both trainings take turns, so that a busy machine slows both,
and go through the same `loop.advance`. Resident memory is that of this process, apart by kind (/proc/self/status,
Linux only): RssAnon is what it allocated, RssFile are pages of files that it mapped; libraries are among these.
"""

import argparse
import shutil
import threading
import time
from pathlib import Path

import jax
import numpy as np

from mooring import loop
from mooring.algorithms.policy_constraint.td3_bc import TD3BC
from mooring.data import Bounds, Dataset, load, write_rows
from mooring.sources import Offline, Streamed
from mooring.sources.streamed import BLOCK_BYTES
from mooring.types import Source

LENGTH = 1000  # of an episode
OBS, ACTIONS = 17, 6


def made_up(rng: np.random.Generator, episodes: int) -> Dataset:
    """Noise: speed does not depend on what is learned."""
    rows = episodes * LENGTH
    obs = rng.standard_normal((rows + 1, OBS), np.float32)
    action = rng.uniform(-1, 1, (rows, ACTIONS)).astype(np.float32)
    truncated = np.arange(rows) % LENGTH == LENGTH - 1
    reward = rng.standard_normal(rows, np.float32)
    bounds = Bounds.of(-1, 1, ACTIONS)
    return Dataset.build(
        obs[:-1], action, reward, np.zeros(rows, bool), truncated, next_obs=obs[1:], action_space=bounds
    )


def make(folder: Path, gigabytes: float) -> None:
    needed, free = gigabytes * 1e9, shutil.disk_usage(folder.parent).free
    if needed > 0.9 * free:
        raise SystemExit(f"{gigabytes} GB do not fit: {free / 1e9:.0f} GB are free")
    rng, written, began = np.random.default_rng(0), 0.0, time.perf_counter()
    part = made_up(rng, 300)
    size = sum(column.nbytes for column in part.columns().values())
    with write_rows(folder) as rows:
        while written < needed:
            part.reward[:] += np.float32(1e-3)  # so that no two parts are the same bytes
            rows.append(part)
            written += size
    took = time.perf_counter() - began
    print(f"{written / 1e9:.1f} GB, {rows.rows:,} rows written in {took:.0f} s, {written / 1e6 / took:.0f} MB/s")


def resident() -> dict[str, float]:
    """Resident memory of this process in MB, by kind."""
    lines = Path("/proc/self/status").read_text().splitlines()
    fields = dict(line.split(":") for line in lines if line.startswith(("VmRSS", "Rss")))
    return {name: int(value.split()[0]) / 1e3 for name, value in fields.items()}


class Watch(threading.Thread):
    """The most that each kind of resident memory has been, looked at 20 times a second."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.most: dict[str, float] = {}
        self.start()

    def run(self) -> None:
        while True:
            for kind, size in resident().items():
                self.most[kind] = max(size, self.most.get(kind, 0))
            time.sleep(0.05)

    def __str__(self) -> str:
        return ", ".join(f"{kind} {size:.0f} MB" for kind, size in self.most.items())


class Trainee:
    """One of the two: its source, how far it is, and how long its training took."""

    def __init__(self, data: Dataset, source: Source) -> None:
        self.algorithms, self.source, self.step = loop.stack([TD3BC()]), source, 0
        self.run = loop.start(self.algorithms, source, data.spec(), loop.keys_of([0]))
        self.seconds, self.made, self.exchanged = 0.0, 0, 0

    def train(self, updates: int) -> None:
        """So many updates more, cut where blocks are exchanged."""
        began, end = time.perf_counter(), self.step + updates
        while self.step < end:
            until = min([end, *(self.step - self.step % every + every for every in self.source.exchanges())])
            before, self.source = self.source, self.source.at(self.step)
            self.exchanged += before is not self.source
            self.run, metrics = loop.advance(self.algorithms, self.source, self.run, until - self.step)
            jax.block_until_ready(metrics)
            self.step = until
        self.made += updates
        self.seconds += time.perf_counter() - began


def train(folder: Path, seconds: float, block_bytes: int) -> None:
    watch, began = Watch(), time.perf_counter()
    data = load(folder)
    print(f"opened {len(data):,} rows in {time.perf_counter() - began:.2f} s")
    streamed = Trainee(data, Streamed.of(data, (), 256, block_bytes=block_bytes))
    turn(streamed, seconds / 3)
    print(f"streamed alone, {about(streamed)}: at most {watch}")
    memory = Trainee(data, Offline.of(data.read([(0, min(len(data), 1_000_000))])))
    for each in (streamed, memory):
        each.train(10)
        each.seconds, each.made, each.exchanged = 0.0, 0, 0
    while streamed.seconds + memory.seconds < seconds * 2 / 3:
        for each in (streamed, memory, memory, streamed):
            each.train(250)
    print(f"in turns: streamed, {about(streamed)}; from memory, {about(memory)}")
    print(f"speed streamed / from memory: {memory.seconds / streamed.seconds:.3f}; both together at most {watch}")
    streamed.source.close()


def turn(trainee: Trainee, seconds: float) -> None:
    trainee.train(10)
    trainee.seconds, trainee.made, trainee.exchanged = 0.0, 0, 0
    while trainee.seconds < seconds:
        trainee.train(250)


def about(trainee: Trainee) -> str:
    rate = trainee.made / trainee.seconds
    return f"{trainee.made:,} updates, {trainee.exchanged} exchanges of blocks, {rate:.0f} updates/s"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("make", "train"))
    parser.add_argument("folder", type=Path)
    parser.add_argument("--gigabytes", type=float, default=20)
    parser.add_argument("--seconds", type=float, default=90)
    parser.add_argument("--block-bytes", type=int, default=BLOCK_BYTES)
    options = parser.parse_args()
    if options.what == "make":
        make(options.folder.absolute(), options.gigabytes)
    else:
        train(options.folder, options.seconds, options.block_bytes)


if __name__ == "__main__":
    main()
