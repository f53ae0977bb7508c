"""Jobs on this machine: one at a time on each core, or on each GPU.

XLA makes poor use of several cores for one small program (docs/sweeps.md has a measurement), so each worker has cores
of its own.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections import deque
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from mooring.errors import BadInput
from mooring.sweeping.jobs import Outcome, Running
from mooring.sweeping.packing import Job

LOOK = 0.1  # seconds from one look at running jobs to the next
DEVICES = "import jax; print(jax.default_backend(), jax.local_device_count())"
VISIBLE = "CUDA_VISIBLE_DEVICES"


@dataclass(frozen=True)
class Share:
    """A worker's share of the machine: cores, where the system can give some, and what is in its jobs' environment."""

    cores: frozenset[int] = frozenset()
    environment: Mapping[str, str] = field(default_factory=dict)

    def start(self, job: Job, folder: Path) -> Running:
        running = Running(job, folder, self.environment)
        if self.cores:  # Python has barely begun: every thread that JAX will start inherits them
            os.sched_setaffinity(running.process.pid, self.cores)
        return running


@dataclass(frozen=True)
class Local:
    """The workers of this machine; see `Place`."""

    shares: Sequence[Share]
    together: bool

    @property
    def workers(self) -> int:
        return len(self.shares)

    def run(self, jobs: Sequence[Job], folder: Path) -> Generator[Outcome, None, None]:
        """Every job once, in order, as workers become free; whoever stops listening ends those that are running."""
        waiting, free = deque(jobs), deque(self.shares)
        running: list[tuple[Share, Running]] = []
        try:
            while waiting or running:
                while waiting and free:
                    share = free.popleft()
                    running.append((share, share.start(waiting.popleft(), folder)))
                for share, each in [pair for pair in running if pair[1].process.poll() is not None]:
                    running.remove((share, each))
                    free.append(share)
                    yield each.outcome()
                time.sleep(LOOK)
        finally:
            for _, each in running:
                each.stop()


def local(workers: int | None) -> Local:
    """One worker for each GPU; where there is none, for each core, or as many as are asked for. Raises BadInput."""
    kind, count = _devices()
    if kind == "cpu":
        return Local(_of_cores(workers), together=False)
    shares = _of_gpus(count) if kind == "gpu" else [Share()]
    if workers is not None and workers > len(shares):
        raise BadInput("--workers", f"found {workers}", f"at most {len(shares)}, as a device runs one job at a time")
    return Local(shares[:workers], together=True)


def _of_cores(workers: int | None) -> list[Share]:
    """The cores that this process may use, in equal parts. More workers than cores share them all."""
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    count = workers or len(cores) or os.cpu_count() or 1
    if count > len(cores):
        return [Share()] * count
    bounds = [part * len(cores) // count for part in range(count + 1)]
    return [Share(frozenset(cores[first:last])) for first, last in pairwise(bounds)]


def _of_gpus(count: int) -> list[Share]:
    """Each GPU that this process may use."""
    given = os.environ.get(VISIBLE)
    names = given.split(",") if given else [str(index) for index in range(count)]
    return [Share(environment={VISIBLE: name}) for name in names]


def _devices() -> tuple[str, int]:
    """What kind of devices JAX finds here, and how many. A process of its own asks, since asking takes a GPU."""
    if os.environ.get("JAX_PLATFORMS") == "cpu":
        return "cpu", 1
    asked = subprocess.run([sys.executable, "-c", DEVICES], capture_output=True, text=True)
    if asked.returncode:
        raise BadInput("JAX", f"finds no device: {asked.stderr.splitlines()[-1]}")
    kind, count = asked.stdout.split()[-2:]
    return kind, int(count)
