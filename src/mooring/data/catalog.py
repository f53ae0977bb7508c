"""The data sets of D4RL (Fu et al. 2020, arXiv:2004.07219): reference returns, time limits, files, environments.

`catalog.csv` holds them with the place each number was read from. `env` is given only where a Gymnasium task
takes the data's observations and time limit as they are: v5 of Hopper and HalfCheetah, v4 of Walker2d (v5 has
other feet), v1 of three Adroit hands. Ant, pen, the mazes and the kitchen now observe or end differently.

This module does not import JAX, so that listing names is quick.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, TypeVar

import numpy as np

from mooring.errors import BadInput, unknown

Returns = TypeVar("Returns", float, np.ndarray)


@dataclass(frozen=True)
class Entry:
    """One data set. `score_range` holds the mean raw returns of a random and of an expert policy."""

    name: str
    env: str | None
    score_range: tuple[float, float] | None
    max_episode_steps: int | None
    file: str
    source: str


@cache
def entries() -> dict[str, Entry]:
    """Every data set by its name."""
    table = files("mooring.data").joinpath("catalog.csv").read_text(encoding="utf-8")
    return {row["dataset"]: _entry(row) for row in csv.DictReader(table.splitlines())}


def _entry(row: dict[str, str]) -> Entry:
    low, high, steps = row["random_score"], row["expert_score"], row["max_episode_steps"]
    return Entry(
        name=row["dataset"],
        env=row["env"] or None,
        score_range=(float(low), float(high)) if low and high else None,
        max_episode_steps=int(steps) if steps else None,
        file=row["file"],
        source=row["source"],
    )


def find(name: str) -> Entry:
    """The data set of that name. Raises BadInput with near names."""
    if name not in entries():
        raise unknown("data set", name, entries())
    return entries()[name]


def of_file(stem: str) -> Entry | None:
    """The data set that a file's name, without its ending, belongs to: by our name or by D4RL's file name."""
    by_file = {entry.file.removesuffix(".hdf5"): entry for entry in entries().values()}
    return entries().get(stem) or by_file.get(stem)


def of_env(env: str) -> Entry | None:
    """Some data set of the environment's family, whatever the version: all share score range and time limit."""
    family = env.rpartition("-v")[0]
    return next((e for e in entries().values() if e.env and e.env.rpartition("-v")[0] == family), None)


def score_range_of_env(env: str) -> tuple[float, float] | None:
    """The raw returns of a random and of an expert policy in a Gymnasium task, if D4RL has it."""
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
