"""Runs that are told of together: which tasks they are on, which methods are compared there, and what each logged."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from mooring.errors import BadInput
from mooring.report.plots import Curve, curve
from mooring.runs import MAIN, RunFolder

EXPECTED = ("algorithm", "data", "members", "steps", "evaluate")


@dataclass(frozen=True, eq=False)
class Run:
    """One run's folder, read."""

    folder: RunFolder
    name: str
    config: Mapping[str, Any]
    rows: Sequence[Mapping[str, Any]]

    @classmethod
    def read(cls, path: str | Path) -> Run:
        """Raises BadInput where the folder holds no run, and where its files are not as Mooring writes them."""
        folder = RunFolder(Path(path))
        config = folder.config()
        missing = [name for name in EXPECTED if name not in config]
        if missing:
            raise BadInput(str(folder.config_file), f"has no {missing[0]!r}", "the configuration of a run")
        try:
            rows = folder.rows()
        except ValueError as error:
            raise BadInput(str(folder.metrics_file), f"is damaged: {error}") from error
        return cls(folder, folder.path.resolve().name, config, rows)

    @property
    def path(self) -> str:
        """As the user named it."""
        return str(self.folder.path)

    @cached_property
    def evaluations(self) -> list[Mapping[str, Any]]:
        return [row for row in self.rows if row["kind"] == "evaluate" and row["stage"] == MAIN]

    @property
    def task(self) -> tuple[str, str, str]:
        """What makes scores comparable: the environment, and the data by name and fingerprint."""
        data = self.config["data"]
        return str(self.config["evaluate"]["env"]), str(data["name"]), str(data["fingerprint"])

    @property
    def method(self) -> str:
        return self.config["algorithm"]["reference"] + (" cast off" if "online" in self.config else "")

    @property
    def command(self) -> str:
        """What was typed to make it."""
        program, *words = map(str, self.config.get("command") or ["?"])
        ours = Path(program).stem in ("mooring", "__main__")
        return shlex.join(["mooring", *words] if ours else ["python", program, *words])


@dataclass(frozen=True, eq=False)
class Group:
    """The seeds of one method on one task: these members of a run."""

    run: Run
    settings: str  # that were swept, in words
    members: Sequence[int]

    def curve(self, name: str, kind: str = "evaluate", stage: str = MAIN) -> Curve:
        """Steps, and a number of each seed there; none where nothing was logged by that name."""
        rows = [row for row in self.run.rows if name in row and (row["kind"], row["stage"]) == (kind, stage)]
        if not rows:
            return np.zeros(0), np.zeros((0, len(self.members)))
        steps, values = curve(rows, name, kind, stage)
        return steps, values[:, self.members]

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
        return list(dict.fromkeys(group.run for group in self.groups.values()))

    @property
    def measure(self) -> str:
        """ "score" where every evaluation is normalized, else "return"."""
        rows = [row for run in self.runs for row in run.evaluations]
        return "score" if all("score" in row for row in rows) else "return"

    @property
    def evaluated(self) -> dict[str, Group]:
        return {name: group for name, group in self.groups.items() if group.run.evaluations}


def gather(paths: Iterable[str | Path]) -> list[Task]:
    """Every run, by task, in the order in which they were named; a folder that is named twice counts once.

    Raises BadInput where no run is named, and as `Run.read` does.
    """
    folders = {Path(path).resolve(): path for path in paths}
    if not folders:
        raise BadInput("report", "no run was named", "the folder of a run, or several")
    runs = _distinct([Run.read(path) for path in folders.values()])
    by_task: dict[tuple[str, str, str], list[Run]] = {}
    for run in runs:
        by_task.setdefault(run.task, []).append(run)
    return [Task(name, _told_apart(own)) for name, own in zip(_titles(list(by_task)), by_task.values(), strict=True)]


def _distinct(runs: list[Run]) -> list[Run]:
    """Runs whose folders have the same name are told apart by the folders above."""
    counts = Counter(run.name for run in runs)
    return [
        run if counts[run.name] == 1 else replace(run, name="/".join(run.folder.path.resolve().parts[-2:]))
        for run in runs
    ]


def _titles(keys: Sequence[tuple[str, str, str]]) -> list[str]:
    """The data's name; with the environment, or the fingerprint's beginning, where the name does not tell enough."""
    names = Counter(name for _, name, _ in keys)
    places = Counter((env, name) for env, name, _ in keys)
    return [
        name if names[name] == 1 else f"{name} in {env}" if places[env, name] == 1 else f"{name} {print_[:8]} in {env}"
        for env, name, print_ in keys
    ]


def _told_apart(runs: Sequence[Run]) -> dict[str, Group]:
    """The groups of seeds by method; where that is not enough, by what was set otherwise, or by the run's name."""
    groups = [group for run in runs for group in _groups(run)]
    names = [" ".join(filter(None, (group.run.method, group.settings))) for group in groups]
    for more in (_differences(groups), [f"({group.run.name})" for group in groups]):
        counts = Counter(names)
        names = [
            f"{name} {extra}".strip() if counts[name] > 1 else name for name, extra in zip(names, more, strict=True)
        ]
    return dict(zip(names, groups, strict=True))


def _groups(run: Run) -> list[Group]:
    members: dict[str, list[int]] = {}
    for index, member in enumerate(run.config["members"]):
        label = " ".join(f"{name} {value:g}" for name, value in member["settings"].items())
        members.setdefault(label, []).append(index)
    return [Group(run, label, indices) for label, indices in members.items()]


def _differences(groups: Sequence[Group]) -> list[str]:
    """The settings of each group's algorithm that groups of the same algorithm do not share."""
    described = []
    for group in groups:
        own = group.run.config["algorithm"]["settings"]
        others = [each.run.config["algorithm"]["settings"] for each in groups if each.run.method == group.run.method]
        differing = [name for name, value in own.items() if any(other.get(name) != value for other in others)]
        described.append(" ".join(f"{name} {_value(own[name])}" for name in differing))
    return described


def _value(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)
