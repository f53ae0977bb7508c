"""Jobs on a cluster, by Ray: each is a task that takes one GPU, or one core where the cluster has no GPU.

A task whose machine is lost is started again by Ray on another one, and goes on from its last checkpoint.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import current_thread, main_thread
from typing import Any

from mooring import cores
from mooring.errors import BadInput, missing_extra
from mooring.sweeping.jobs import FLAGS, Outcome, Running
from mooring.sweeping.packing import Job

try:
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy
except ImportError:
    raise missing_extra("ray", "ray", "a sweep on Ray") from None

# XLA's threads and devices: Ray counts cores, and pins nothing to them.
ONE_CORE = {"NPROC": "1", FLAGS: f"{cores.FLAG}=1"}


@dataclass(frozen=True)
class Cluster:
    """The workers of a cluster; see `Place`."""

    workers: int
    together: bool

    def run(self, jobs: Sequence[Job], folder: Path) -> Generator[Outcome, None, None]:
        """Every job once, as workers become free; whoever stops listening ends those that are running."""
        folder = folder.resolve()
        _check_seen(folder)
        needs = {"num_gpus": 1} if self.together else {"num_cpus": 1}
        task = ray.remote(**needs)(_work)
        environment = {} if self.together else ONE_CORE
        waiting, running = list(reversed(jobs)), dict[Any, Job]()
        try:
            while waiting or running:
                while waiting and len(running) < self.workers:
                    job = waiting.pop()
                    running[task.remote(job, str(folder), os.getcwd(), environment)] = job
                for done in ray.wait(list(running))[0]:
                    yield _outcome(done, running.pop(done))
        finally:
            for each in running:
                ray.cancel(each, force=True)


@contextmanager
def cluster(on: str, workers: int | None) -> Iterator[Cluster]:
    """The cluster at ray://HOST:PORT; at "ray" the one that RAY_ADDRESS names or this machine is of, else a new one.

    Runs as many jobs at a time as it has GPUs, or cores, or as are asked for. Raises BadInput where nobody answers.
    """
    before = signal.getsignal(signal.SIGTERM)
    try:
        ray.init(on if "://" in on else None, log_to_driver=False, logging_level="warning")
    except Exception as error:  # Ray raises that itself where its processes do not start
        reason = [repr(error), *filter(str.strip, str(error).splitlines())][-1]  # theirs may hold a whole traceback
        raise BadInput(f"--on {on}", f"no cluster answers: {reason}", fix="start one with ray start --head") from error
    if current_thread() is main_thread():
        signal.signal(signal.SIGTERM, before)  # Ray's own would end this process without a word
    try:
        resources = ray.cluster_resources()
        gpus = int(resources.get("GPU", 0))
        yield Cluster(workers or gpus or int(resources["CPU"]), together=gpus > 0)
    finally:
        ray.shutdown()


def _work(job: Job, folder: str, origin: str, environment: Mapping[str, str]) -> Outcome:
    """Runs where Ray puts it; the same working folder as at home, where there is one, finds the same files."""
    if not _sees(folder):
        return Outcome(job.name, 0.0, f"{folder} is not on the storage of {os.uname().nodename}")
    if Path(origin).is_dir():
        os.chdir(origin)
    try:
        running = Running(job, Path(folder), environment)
    except BadInput as error:  # of a sweep that was killed: Ray takes some seconds to end what it had begun
        return Outcome(job.name, 0.0, str(error))
    try:
        return running.outcome()
    finally:
        running.stop()


def _outcome(done: Any, job: Job) -> Outcome:
    try:
        return ray.get(done)
    except ray.exceptions.RayError as error:
        return Outcome(job.name, 0.0, f"lost by Ray: {str(error).splitlines()[0]}")


def _check_seen(folder: Path) -> None:
    """Refuses a folder that a machine of the cluster does not see: what is trained there would be lost."""
    nodes = {node["NodeID"]: node["NodeManagerHostname"] for node in ray.nodes() if node["Alive"]}
    ask = ray.remote(num_cpus=0)(_sees)
    asked = {
        name: ask.options(scheduling_strategy=NodeAffinitySchedulingStrategy(node, soft=False)).remote(str(folder))
        for node, name in nodes.items()
    }
    blind = [name for name, answer in asked.items() if not ray.get(answer)]
    if blind:
        raise BadInput(str(folder), f"is not seen from {', '.join(blind)}", "a folder on storage that all nodes share")


def _sees(folder: str) -> bool:
    return Path(folder).is_dir()
