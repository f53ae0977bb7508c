"""Runs that are told of together: which tasks they are on, which methods are compared there, and what each logged."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from mooring.errors import BadInput
from mooring.evaluation.collecting import run_folders
from mooring.evaluation.naming import Trained, method_names, task_names, trained
from mooring.report.plots import Curve
from mooring.runs import MAIN, RunFolder


@dataclass(frozen=True, eq=False)
class Run:
    """One run's folder, read."""

    folder: RunFolder
    name: str
    config: Mapping[str, Any]
    rows: Sequence[Mapping[str, Any]]
    members: Sequence[Trained]

    @classmethod
    def read(cls, path: str | Path) -> Run:
        """Raises BadInput where the folder holds no run, and where its files are not as Mooring writes them."""
        folder = RunFolder(Path(path))
        config = folder.config()
        try:
            members = list(trained(config))
        except (KeyError, TypeError) as error:
            raise BadInput(str(folder.config_file), f"lacks {error}", "the configuration of a run") from error
        try:
            rows = folder.rows()
        except ValueError as error:
            raise BadInput(str(folder.metrics_file), f"is damaged: {error}") from error
        return cls(folder, folder.path.resolve().name, config, rows, members)

    @property
    def path(self) -> str:
        """As the user named it."""
        return str(self.folder.path)

    @cached_property
    def evaluations(self) -> list[Mapping[str, Any]]:
        return [row for row in self.rows if row["kind"] == "evaluate" and row["stage"] == MAIN]

    @property
    def command(self) -> str:
        """What was typed to make it."""
        program, *words = map(str, self.config.get("command") or ["?"])
        ours = Path(program).stem in ("mooring", "__main__")
        return shlex.join(["mooring", *words] if ours else ["python", program, *words])


Seed = tuple[Run, int]
"""A member of a run's population, by its place."""


@dataclass(frozen=True, eq=False)
class Group:
    """The seeds of one method on one task, in one run or in several."""

    members: Sequence[Seed]

    @property
    def runs(self) -> list[Run]:
        return list(dict.fromkeys(run for run, _ in self.members))

    @property
    def evaluated(self) -> bool:
        return all(run.evaluations for run in self.runs)

    def curve(self, name: str, kind: str = "evaluate", stage: str = MAIN) -> Curve:
        """The steps that all runs logged that name at, and each seed's number there."""
        found = [_logged(run, name, kind, stage) for run in self.runs]
        steps = np.array(sorted(set.intersection(*(set(each) for each in found))))
        columns = [[found[self.runs.index(run)][step][index] for step in steps] for run, index in self.members]
        return steps, np.array(columns, np.float64).reshape(len(self.members), -1).T

    def last(self, name: str) -> np.ndarray:
        """The seeds' numbers of the last evaluation."""
        return self.curve(name)[1][-1]


@dataclass(frozen=True, eq=False)
class Task:
    """Runs on the same data, evaluated in the same environment; groups by names that tell them apart."""

    name: str
    groups: Mapping[str, Group]

    @cached_property
    def runs(self) -> list[Run]:
        return list(dict.fromkeys(run for group in self.groups.values() for run in group.runs))

    @property
    def measure(self) -> str:
        """ "score" where every evaluation is normalized, else "return"."""
        rows = [row for run in self.runs for row in run.evaluations]
        return "score" if all("score" in row for row in rows) else "return"

    @property
    def evaluated(self) -> dict[str, Group]:
        return {name: group for name, group in self.groups.items() if group.evaluated}


def gather(paths: Iterable[str | Path]) -> list[Task]:
    """Every run in these folders or below them, by task, in the order of their names; each folder counts once.

    Raises BadInput where no run is named, and as `Run.read` does.
    """
    folders = {folder.resolve(): folder for path in paths for folder in run_folders(Path(path))}
    if not folders:
        raise BadInput("report", "no run was named", "the folder of a run, or of several")
    runs = _distinct([Run.read(path) for path in folders.values()])
    seeds = [(run, index) for run in runs for index in range(len(run.members))]
    members = [run.members[index] for run, index in seeds]
    by_task: dict[str, dict[str, list[Seed]]] = {}
    for seed, task, method in zip(seeds, task_names(members), method_names(members), strict=True):
        by_task.setdefault(task, {}).setdefault(method, []).append(seed)
    return [Task(name, dict(_groups(methods))) for name, methods in by_task.items()]


def _groups(methods: Mapping[str, Sequence[Seed]]) -> Iterator[tuple[str, Group]]:
    """Seeds of one method in several runs are taken together if none is there twice and all have the same looks."""
    for method, seeds in methods.items():
        numbers = [run.members[index].seed for run, index in seeds]
        runs = dict.fromkeys(run for run, _ in seeds)
        looks = {tuple(row["step"] for row in run.evaluations) for run in runs}
        if len(set(numbers)) == len(seeds) and len(looks) == 1:
            yield method, Group(seeds)
            continue
        for run in runs:
            name = method if len(runs) == 1 else f"{method} ({run.name})"
            yield name, Group([seed for seed in seeds if seed[0] is run])


def _distinct(runs: list[Run]) -> list[Run]:
    """Runs whose folders have the same name are told apart by the folders above."""
    counts = Counter(run.name for run in runs)
    return [
        run if counts[run.name] == 1 else replace(run, name="/".join(run.folder.path.resolve().parts[-2:]))
        for run in runs
    ]


def _logged(run: Run, name: str, kind: str, stage: str) -> dict[int, list[float]]:
    """By step, the numbers of all members."""
    rows = [row for row in run.rows if name in row and (row["kind"], row["stage"]) == (kind, stage)]
    return {row["step"]: row[name] for row in rows}
