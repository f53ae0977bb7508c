"""The looks that lie in run folders, brought together under names that tell methods and tasks apart."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mooring.errors import BadInput
from mooring.evaluation.naming import Trained, method_names, task_names, trained
from mooring.evaluation.results import Look, read

if TYPE_CHECKING:
    from mooring.runs import RunFolder


def collect(paths: Iterable[str | Path]) -> list[Look]:
    """Every look that lies below these folders, and in tables that `write` made, each folder once.

    Methods are named by their algorithm, with " cast off" behind it where they went on online, and by those settings in
    which members of one algorithm differ on one task. Tasks are told apart by data and environment; where two data sets
    share a name, by the beginning of their fingerprints.

    Raises BadInput where a path holds no run, a run has no evaluation, or the same seed of a method was run twice.
    """
    folders: dict[Path, Path] = {}
    looks: list[Look] = []
    for path in {Path(path).resolve(): Path(path) for path in paths}.values():
        if path.is_file():
            looks += read(path)
        else:
            folders |= {folder.resolve(): folder for folder in run_folders(path)}
    found = [each for folder in folders.values() for each in _members(folder)]
    members = [member for member, _ in found]
    for (_, own), method, task in zip(found, method_names(members), task_names(members), strict=True):
        looks += [replace(look, method=method, task=task) for look in own]
    _refuse_repeats(looks)
    return looks


def run_folders(path: Path) -> list[Path]:
    """The folder itself where it holds a run, else those below it that do. Raises BadInput where none does."""
    found = [path] if (path / "config.json").exists() else sorted(file.parent for file in path.rglob("config.json"))
    if not found:
        raise BadInput(str(path), "holds no run, nor does a folder in it", fix="name folders that `mooring train` made")
    return found


def _members(path: Path) -> Iterator[tuple[Trained, list[Look]]]:
    """The members of a run's population, each with its looks, which have no names yet."""
    from mooring.runs import RunFolder

    folder = RunFolder(path)
    config, rows = folder.config(), _evaluations(folder)
    try:
        for index, member in enumerate(trained(config)):
            episodes = config["evaluate"]["episodes"]
            yield member, [_look(row, index, member.seed, episodes, path) for row in rows]
    except (KeyError, IndexError, TypeError) as error:
        raise BadInput(str(folder.config_file), f"lacks {error}", "the configuration of a run") from error


def _look(row: Mapping[str, Any], index: int, seed: int, episodes: int, path: Path) -> Look:
    score = row["score"][index] if "score" in row else None
    return Look("", "", seed, row["step"], episodes, row["return"][index], score, str(path))


def _evaluations(folder: RunFolder) -> list[dict[str, Any]]:
    try:
        rows = [row for row in folder.rows() if row["kind"] == "evaluate" and row["stage"] == "main"]
    except (KeyError, ValueError) as error:
        raise BadInput(str(folder.metrics_file), f"is damaged: {error}") from error
    if not rows:
        raise BadInput(str(folder.path), "has no evaluation yet", fix="train with --evaluate-every, or leave it out")
    return rows


def _refuse_repeats(looks: Sequence[Look]) -> None:
    """The same seed twice would count as two runs, and make intervals too narrow."""
    runs: dict[tuple[str, str, int], str] = {}
    for look in looks:
        other = runs.setdefault((look.method, look.task, look.seed), look.run)
        if other != look.run:
            found = f"seed {look.seed} of {look.method} on {look.task} is in {other} too"
            raise BadInput(look.run, found, "each seed once", "leave one of them out")
