"""`sweep`: from a file to run folders, one table and one page. What was killed goes on, what failed is tried again.

The folder holds sweep.json (what was asked for, and the jobs that it was packed into, which stay as they are), for each
job a run's folder with its log and outcome, and in the end results.csv and report.html.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

from mooring.checkpoint import write_atomically
from mooring.data.loading import expect
from mooring.errors import BadInput
from mooring.evaluation.collecting import collect
from mooring.evaluation.results import write
from mooring.report.gathered import Run
from mooring.report.writing import report
from mooring.sweeping.jobs import LOG, Outcome, finished
from mooring.sweeping.local import local
from mooring.sweeping.packing import Job, pack
from mooring.sweeping.reading import programs, read

STATE, TABLE, PAGE = "sweep.json", "results.csv", "report.html"


class Place(Protocol):
    """Where jobs run."""

    @property
    def workers(self) -> int:
        """How many jobs at a time."""

    @property
    def together(self) -> bool:
        """Whether populations are quicker there than their members one by one."""

    def run(self, jobs: Sequence[Job], folder: Path) -> Generator[Outcome, None, None]:
        """Every job's outcome, as it ends; closing the iterator ends what is running."""


@dataclass(frozen=True)
class Swept:
    """What a sweep leaves in its folder. `table` and `page` are None where no job has anything to show in them."""

    folder: Path
    jobs: list[Job]
    failed: list[Outcome]
    table: Path | None  # every evaluation
    page: Path | None

    def log(self, outcome: Outcome) -> Path:
        """What a job said."""
        return self.folder / outcome.job / LOG


def sweep(
    recipe: str | Path | Mapping[str, Any],
    *,
    folder: str | Path | None = None,
    on: str = "local",
    workers: int | None = None,
    resume: bool = False,
    tell: Callable[[str], Any] = lambda line: None,
) -> Swept:
    """Trains what a TOML file, or a mapping like it, asks for (see `reading`): all algorithms on all data sets.

    Each job is the run folder of a population of `mooring train`, in a process of its own: on this machine ("local"),
    or on Ray ("ray", or "ray://HOST:PORT"), `workers` of them at a time. With `resume` finished jobs stay as they are,
    and others go on from their last checkpoints; all end bit for bit as if nothing had stopped them. `tell` is
    given a line for each job that ends. A job that fails leaves the others alone.

    Raises BadInput where the file, the data or the folder do not fit, before anything is trained.
    """
    asked, name = (dict(recipe), "sweep") if isinstance(recipe, Mapping) else (read(Path(recipe)), Path(recipe).stem)
    wanted = programs(asked, "sweep" if isinstance(recipe, Mapping) else str(recipe))
    for data in dict.fromkeys(program.data for program in wanted):
        expect(data, here=on == "local")
    home = Path(folder or f"runs/{name}")
    kept = _kept(home, asked, resume)
    with _place(on, workers) as place:
        jobs = kept or pack(wanted, place.workers, place.together)
        state = {"recipe": asked, "jobs": [asdict(job) for job in jobs]}
        write_atomically(home / STATE, json.dumps(state, indent=2).encode())
        left = [job for job in jobs if not finished(job, home)]
        members = sum(job.members for job in jobs)
        tell(f"{len(jobs)} jobs of {members} members in {home}: {len(left)} to do, {place.workers} at a time")
        with closing(place.run(left, home)) as outcomes:
            failed = list(_failed(outcomes, len(left), tell))
    table, page = _results(home, jobs)
    return Swept(home, jobs, failed, table, page)


def _failed(outcomes: Iterator[Outcome], count: int, tell: Callable[[str], Any]) -> Iterator[Outcome]:
    """Tells of each job that ends; those that failed come through."""
    for number, outcome in enumerate(outcomes, 1):
        state = f"failed: {outcome.reason}" if outcome.reason else "done"
        tell(f"{number} of {count}: {outcome.job}, {outcome.seconds:,.0f} s, {state}")
        if outcome.reason:
            yield outcome


def _kept(home: Path, asked: Mapping[str, Any], resume: bool) -> list[Job]:
    """The jobs of the sweep that the folder holds; none where it holds none. Raises BadInput where that is another."""
    file = home / STATE
    if not file.exists():
        return []
    if not resume:
        raise BadInput(str(home), "holds a sweep already", fix="resume it (--resume), or name another folder")
    state = json.loads(file.read_text())
    was, now = state["recipe"], json.loads(json.dumps(asked))
    for name in {**was, **now}:
        if was.get(name) != now.get(name):
            found = f"its sweep has {was.get(name)!r}, and {now.get(name)!r} is asked for"
            raise BadInput(f"{file}: {name}", found, "what is to be resumed", "use another folder for what is new")
    return [Job(job["name"], tuple(job["words"]), job["members"]) for job in state["jobs"]]


@contextmanager
def _place(on: str, workers: int | None) -> Iterator[Place]:
    if workers is not None and workers < 1:
        raise BadInput("workers", f"found {workers}", "at least 1")
    if on == "local":
        yield local(workers)
    elif on == "ray" or on.startswith("ray://"):
        from mooring.sweeping.ray import cluster

        with cluster(on, workers) as place:
            yield place
    else:
        raise BadInput("--on", f"found {on!r}", "local, ray or ray://HOST:PORT")


def _results(home: Path, jobs: Sequence[Job]) -> tuple[Path | None, Path | None]:
    """The table and the page of the jobs that are done."""
    done = [home / job.name for job in jobs if finished(job, home)]
    evaluated = [path for path in done if Run.read(path).evaluations]
    if evaluated:
        write(collect(evaluated), home / TABLE)
    page = report(done, home / PAGE, films=0) if done else None
    return home / TABLE if evaluated else None, page
