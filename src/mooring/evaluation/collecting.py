"""The looks that lie in run folders, brought together under names that tell methods and tasks apart."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from mooring.errors import BadInput
from mooring.evaluation.results import Look, read

if TYPE_CHECKING:
    from mooring.runs import RunFolder

NO_SETTINGS = ("run", "env", "steps", "evaluate_every", "episodes", "seed")  # of a cast-off: no part of the method


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
            folders |= {folder.resolve(): folder for folder in _folders(path)}
    trained = [member for folder in folders.values() for member in _members(folder)]
    methods, tasks = _method_names(trained), _task_names(trained)
    for member, method, task in zip(trained, methods, tasks, strict=True):
        looks += [replace(look, method=method, task=task) for look in member.looks]
    _refuse_repeats(looks)
    return looks


class _Member(NamedTuple):
    """A trained member of a run's population, and its looks, which have no names yet."""

    algorithm: str
    settings: dict[str, Any]
    data: tuple[str, str, str]  # environment where it is not the data's, name, fingerprint
    looks: list[Look]


def _folders(path: Path) -> list[Path]:
    found = [path] if (path / "config.json").exists() else sorted(file.parent for file in path.rglob("config.json"))
    if not found:
        raise BadInput(str(path), "holds no run, nor does a folder in it", fix="name folders that `mooring train` made")
    return found


def _members(path: Path) -> Iterator[_Member]:
    from mooring.runs import RunFolder

    folder = RunFolder(path)
    config, rows = folder.config(), _evaluations(folder)
    try:
        name, settings = _described(config["algorithm"])
        data, asked, online = config["data"], config["evaluate"], config.get("online")
        env = "" if asked["env"] == data["env"] else str(asked["env"])
        if online:
            name += " cast off"
        settings |= {key: value for key, value in (online or {}).items() if key not in NO_SETTINGS}
        settings |= {key: data[key] for key in ("reward_scale", "reward_shift")}
        for index, member in enumerate(config["members"]):
            looks = [_look(row, index, member["seed"], asked["episodes"], path) for row in rows]
            yield _Member(name, settings | member["settings"], (env, data["name"], data["fingerprint"]), looks)
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


def _described(algorithm: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """An algorithm's name and settings, those of algorithms that it wraps among them."""
    name, settings = Path(algorithm["reference"]).name, dict[str, Any]()
    for key, value in algorithm["settings"].items():
        if isinstance(value, dict):
            inner, own = _described(value)
            name, settings = f"{name} of {inner}", settings | own
        else:
            settings[key] = value
    return name, settings


def _method_names(trained: Sequence[_Member]) -> list[str]:
    groups: dict[tuple[str, tuple[str, str, str]], list[dict[str, Any]]] = {}
    for member in trained:
        groups.setdefault((member.algorithm, member.data), []).append(member.settings)
    telling: dict[str, dict[str, None]] = {}
    for (algorithm, _), settings in groups.items():
        names = dict.fromkeys(chain.from_iterable(settings))
        differing = [name for name in names if any(own.get(name) != settings[0].get(name) for own in settings)]
        telling.setdefault(algorithm, {}).update(dict.fromkeys(differing))
    return [_name(member, telling[member.algorithm]) for member in trained]


def _name(member: _Member, telling: Iterable[str]) -> str:
    return ", ".join([member.algorithm, *(f"{name} {_told(member.settings.get(name))}" for name in telling)])


def _task_names(trained: Sequence[_Member]) -> list[str]:
    prints: dict[tuple[str, str], set[str]] = {}
    for member in trained:
        env, name, fingerprint = member.data
        prints.setdefault((env, name), set()).add(fingerprint)
    return [
        name + (f" {fingerprint[:8]}" if len(prints[env, name]) > 1 else "") + (f" in {env}" if env else "")
        for env, name, fingerprint in (member.data for member in trained)
    ]


def _told(value: Any) -> str:
    if isinstance(value, list):
        return ",".join(map(str, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def _refuse_repeats(looks: Sequence[Look]) -> None:
    """The same seed twice would count as two runs, and make intervals too narrow."""
    runs: dict[tuple[str, str, int], str] = {}
    for look in looks:
        other = runs.setdefault((look.method, look.task, look.seed), look.run)
        if other != look.run:
            found = f"seed {look.seed} of {look.method} on {look.task} is in {other} too"
            raise BadInput(look.run, found, "each seed once", "leave one of them out")
