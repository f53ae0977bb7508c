"""Names that tell methods and tasks apart, for the members of many runs' populations."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

NO_SETTINGS = ("run", "env", "steps", "evaluate_every", "episodes", "seed")  # of a cast-off: no part of the method


class Trained(NamedTuple):
    """A member of a run's population: its algorithm, what was set, and what it learned on."""

    algorithm: str
    settings: dict[str, Any]
    data: tuple[str, str, str]  # environment where it is not the data's, name, fingerprint
    seed: int


def trained(config: Mapping[str, Any]) -> Iterator[Trained]:
    """The members of a run, by its configuration. Raises KeyError where that lacks something."""
    name, settings = _described(config["algorithm"])
    data, asked, online = config["data"], config["evaluate"], config.get("online")
    env = "" if asked["env"] == data["env"] else str(asked["env"])
    if online:
        name += " cast off"
    settings |= {key: value for key, value in (online or {}).items() if key not in NO_SETTINGS}
    settings |= {key: data[key] for key in ("reward_scale", "reward_shift")}
    for member in config["members"]:
        yield Trained(name, settings | member["settings"], (env, data["name"], data["fingerprint"]), member["seed"])


def method_names(members: Sequence[Trained]) -> list[str]:
    """Of each member its algorithm, and those settings in which members of one algorithm differ on one task."""
    groups: dict[tuple[str, tuple[str, str, str]], list[dict[str, Any]]] = {}
    for member in members:
        groups.setdefault((member.algorithm, member.data), []).append(member.settings)
    telling: dict[str, dict[str, None]] = {}
    for (algorithm, _), settings in groups.items():
        names = dict.fromkeys(chain.from_iterable(settings))
        differing = [name for name in names if any(own.get(name) != settings[0].get(name) for own in settings)]
        telling.setdefault(algorithm, {}).update(dict.fromkeys(differing))
    return [_name(member, telling[member.algorithm]) for member in members]


def task_names(members: Sequence[Trained]) -> list[str]:
    """Of each member its data, told apart by fingerprints where a name is not enough, and its environment."""
    prints: dict[tuple[str, str], set[str]] = {}
    for member in members:
        env, name, fingerprint = member.data
        prints.setdefault((env, name), set()).add(fingerprint)
    return [
        name + (f" {fingerprint[:8]}" if len(prints[env, name]) > 1 else "") + (f" in {env}" if env else "")
        for env, name, fingerprint in (member.data for member in members)
    ]


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


def _name(member: Trained, telling: Iterable[str]) -> str:
    return ", ".join([member.algorithm, *(f"{name} {_told(member.settings.get(name))}" for name in telling)])


def _told(value: Any) -> str:
    if isinstance(value, list):
        return ",".join(map(str, value))
    return f"{value:g}" if isinstance(value, float) else str(value)
