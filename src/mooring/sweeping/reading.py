"""What a sweep's file asks for, checked, as programs that are to be trained.

    data = ["hopper-medium-v2", "walker2d-medium-v2"]
    seeds = 5                    # or which ones, as [3, 5]
    evaluate_every = 50_000      # any option of `mooring train`

    [td3-bc]
    alpha = [1.0, 2.5]           # each of these values

    [iql]

A table is an algorithm with its settings. What stands above the tables holds for each of them that does not say
otherwise. This module does not import JAX.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from math import prod
from pathlib import Path
from typing import Any

from mooring.cli.train import OWN, settings_of
from mooring.errors import BadInput, unknown
from mooring.registry import WIDTHS, Setting, parse_setting

PACK = Setting("pack", "Count", 16, help="the most members that train in one program: what fits into memory")
OPTIONS = {each.name: each for each in OWN if each.name not in ("seeds", "folder")}
OURS = ("data", "seeds", "pack")
KNOWN = (*OURS, *OPTIONS)
Axes = Mapping[str, Sequence[str]]


@dataclass(frozen=True)
class Program:
    """Members that can train together: one algorithm on one data set, with the same settings where these are static.

    Members are all combinations of `axes`: "seeds", and float settings with several values. Values are as on the
    command line. `words` are the options that all members share, `pack` the most members that shall be together.
    """

    algorithm: str
    data: str
    words: tuple[str, ...]
    axes: Axes
    pack: int

    @property
    def size(self) -> int:
        """How many members it has."""
        return prod(len(values) for values in self.axes.values())


def read(file: Path) -> dict[str, Any]:
    """What a TOML file holds. Raises BadInput."""
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise BadInput(str(file), "no such file") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadInput(str(file), f"is not TOML: {error}") from None


def programs(recipe: Mapping[str, Any], where: str) -> list[Program]:
    """Every program of a sweep, by algorithm and then by data. Raises BadInput that names the place in the file."""
    tables = {name: table for name, table in recipe.items() if isinstance(table, Mapping)}
    common = {name: value for name, value in recipe.items() if name not in tables}
    for name in common:
        if name not in KNOWN:
            raise unknown(f"{where}, option", name, KNOWN)
    if not tables:
        raise BadInput(where, "names no algorithm", "a table for each, as [iql]")
    return [found for name, table in tables.items() for found in _programs(name, common | dict(table), where)]


def _programs(algorithm: str, asked: Mapping[str, Any], where: str) -> Iterator[Program]:
    """One algorithm's: on each data set each combination of static settings."""
    place = f"{where}, [{algorithm}]"
    settings = OPTIONS | _settings(algorithm, place)
    axes: dict[str, Sequence[str]] = {"seeds": _seeds(asked.get("seeds", 1), place)}
    apart: list[list[str]] = []
    for name in asked:
        if name in OURS:
            continue
        if name not in settings:
            raise unknown(f"{place}, setting", name, [*OURS, *settings])
        texts = _texts(settings[name], asked[name], f"{place} {name}", name in OPTIONS)
        if len(texts) == 1 or not settings[name].sweepable or "none" in texts:
            apart.append([_word(settings[name], text) for text in texts])
        else:
            axes[name] = texts
    (pack,) = _texts(PACK, asked.get("pack", PACK.default), f"{place} pack", single=True)
    for data in _data(asked.get("data"), place):
        for words in product(*apart):
            yield Program(algorithm, data, words, axes, int(pack))


def _settings(algorithm: str, place: str) -> dict[str, Setting]:
    try:
        return settings_of(algorithm)
    except BadInput as error:
        raise BadInput(f"{place}: {error.where}", error.found, error.expected, error.fix) from None


def _texts(setting: Setting, value: Any, place: str, single: bool) -> list[str]:
    """The value, or each of several where these may be, as on the command line."""
    several = isinstance(value, list) and not (setting.base in WIDTHS and all(isinstance(one, int) for one in value))
    if several and single:
        raise BadInput(place, f"found {value}", "one value")
    texts = [_text(one) for one in (value if several else [value])]
    try:
        values = [parse_setting(setting, text) for text in texts]
    except BadInput as error:
        raise BadInput(place, error.found, error.expected, error.fix) from None
    if not values or len(set(values)) < len(values):
        raise BadInput(place, f"found {value}", "one value or more, each once")
    return texts


def _text(value: Any) -> str:
    if isinstance(value, list):
        return ",".join(_text(part) for part in value)
    return str(value).lower() if isinstance(value, bool) else str(value)


def _word(setting: Setting, text: str) -> str:
    if setting.kind == "bool":
        return setting.option if text == "true" else f"--no-{setting.option.removeprefix('--')}"
    return f"{setting.option}={text}"


def _seeds(value: Any, place: str) -> list[str]:
    seeds = list(range(value)) if type(value) is int else value
    sound = isinstance(seeds, list) and all(type(seed) is int and seed >= 0 for seed in seeds)
    if not sound or not seeds or len(set(seeds)) < len(seeds):
        raise BadInput(f"{place} seeds", f"found {value!r}", "how many, as 4, or which, as [3, 5]")
    return [str(seed) for seed in seeds]


def _data(value: Any, place: str) -> list[str]:
    names = [value] if isinstance(value, str) else value
    sound = isinstance(names, list) and all(isinstance(name, str) for name in names)
    if not sound or not names or len(set(names)) < len(names):
        found = "there is none" if value is None else f"found {value!r}"
        raise BadInput(f"{place} data", found, 'data sets, as ["hopper-medium-v2"], each once')
    return list(names)
