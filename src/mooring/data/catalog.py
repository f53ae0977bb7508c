"""The data sets that are known by name: D4RL's, Minari's, OGBench's and NeoRL-2's, and what is known of them.

`catalog.csv` holds them with the place each fact was read from. What nobody published (a size, a checksum, a license)
is left empty. `env` is given only where an environment takes the data's observations and time limit as they are;
"package:Name" is registered by importing that package. Of D4RL (Fu et al. 2020, arXiv:2004.07219) these are
Gymnasium's Hopper-v5, HalfCheetah-v5 and Walker2d-v4 (v5 has other feet) and three Adroit hands: Ant, pen, the mazes
and the kitchen now observe or end differently. OGBench is Park et al. 2025, arXiv:2410.20092; the second file of each
of its sets, for validation, has a name that ends in -val. Names that begin with "minari:" are Minari's own.

This module does not import JAX, so that listing names is quick.
"""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, TypeVar

import numpy as np

from mooring.errors import BadInput, unknown

Returns = TypeVar("Returns", float, np.ndarray)


@dataclass(frozen=True)
class Entry:
    """One file of data. `score_range` holds the mean raw returns of a random and of an expert policy.

    `bytes` is its size, `checksum` as in "sha256:...", `url` where its publishers keep it, `source` where all this was
    read.
    """

    name: str
    family: str
    env: str | None
    score_range: tuple[float, float] | None
    max_episode_steps: int | None
    rows: int | None
    bytes: int | None
    checksum: str | None
    license: str | None
    url: str | None
    source: str

    @property
    def file(self) -> str | None:
        """What its publishers call the file."""
        return self.url.rpartition("/")[2] if self.url else None


@cache
def entries() -> dict[str, Entry]:
    """Every data set by its name."""
    table = files("mooring.data").joinpath("catalog.csv").read_text(encoding="utf-8")
    return {row["name"]: _entry(row) for row in csv.DictReader(table.splitlines())}


def _entry(row: dict[str, str]) -> Entry:
    low, high = row["random_score"], row["expert_score"]
    return Entry(
        name=row["name"],
        family=row["family"],
        env=row["env"] or None,
        score_range=(float(low), float(high)) if low and high else None,
        max_episode_steps=_whole(row["max_episode_steps"]),
        rows=_whole(row["rows"]),
        bytes=_whole(row["bytes"]),
        checksum=row["checksum"] or None,
        license=row["license"] or None,
        url=row["url"] or None,
        source=row["source"],
    )


def _whole(text: str) -> int | None:
    return int(text) if text else None


def find(name: str) -> Entry:
    """The data set of that name. Raises BadInput with near names."""
    if name not in entries():
        raise unknown("data set", name, entries())
    return entries()[name]


def of_file(stem: str) -> Entry | None:
    """The data set that a file's name, without its ending, belongs to: by our name or by its publishers' file name."""
    by_file = {entry.file.rpartition(".")[0]: entry for entry in entries().values() if entry.file}
    return entries().get(stem) or by_file.get(stem)


def of_env(env: str) -> Entry | None:
    """Some data set of the environment, whatever the version: all share score range and time limit."""
    return next((e for e in entries().values() if e.env and _unversioned(e.env) == _unversioned(env)), None)


def _unversioned(env: str) -> str:
    return re.sub(r"-v\d+$", "", env)


def score_range_of_env(env: str) -> tuple[float, float] | None:
    """The raw returns of a random and of an expert policy in an environment, if they are known."""
    entry = of_env(env)
    return entry.score_range if entry else None


def defaults(stem: str, env: str | None) -> dict[str, Any]:
    """What is known of a file by its name, else by its environment: name, env, score_range and horizon."""
    named = of_file(stem)
    entry = named or (of_env(env) if env else None)
    return {
        "name": named.name if named else stem,
        "env": env or (entry.env if entry else None),
        "score_range": entry.score_range if entry else None,
        "horizon": entry.max_episode_steps if entry else None,
    }


def normalized(returns: Returns, score_range: tuple[float, float]) -> Returns:
    """100 (return - random) / (expert - random), as D4RL does. Only for returns and their means and quantiles."""
    random, expert = _checked(score_range)
    return 100 * (returns - random) / (expert - random)


def normalized_std(std: Returns, score_range: tuple[float, float]) -> Returns:
    """A standard deviation (or another width) of returns on the scale of scores: it is scaled, never shifted."""
    random, expert = _checked(score_range)
    return 100 * std / abs(expert - random)


def _checked(score_range: tuple[float, float]) -> tuple[float, float]:
    random, expert = score_range
    if random == expert:
        raise BadInput("score range", f"random and expert are both {random}", "two different returns")
    return random, expert
