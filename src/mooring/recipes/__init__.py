"""Recipes: the settings that a published run used on a data set, where they are not its algorithm's defaults.

A TOML file for each algorithm holds tables named by data sets: globs joined by `|`. A table's keys are fields of the
algorithm, besides `source` (where the values were read, as owner/repository:path), `steps` (updates) and `reward` (a
transform of `Dataset.with_reward`). This module does not import JAX.
"""

import tomllib
from fnmatch import fnmatchcase
from importlib.resources import files
from typing import Any, NamedTuple


class Recipe(NamedTuple):
    """What to change for a data set. Without a source: nothing is published, the algorithm's defaults stand."""

    settings: dict[str, Any]
    steps: int | None = None
    reward: str | None = None
    source: str = ""


def recipe(algorithm: str, dataset: str) -> Recipe:
    """The recipe of an algorithm for a data set, both by name; an empty one where there is none.

    One table holds, the most specific: the one with the full name, else the glob with the most letters of it.
    """
    found = [(_specificity(pattern, dataset), chosen) for pattern, chosen in recipes(algorithm).items()]
    specificity, chosen = max(found, key=lambda each: each[0], default=(-1, Recipe({})))
    return chosen if specificity >= 0 else Recipe({})


def recipes(algorithm: str) -> dict[str, Recipe]:
    """Every recipe of an algorithm by the data sets that it is for, as `hopper-*|walker2d-*`."""
    file = files(__name__).joinpath(f"{algorithm}.toml")
    if not file.is_file():
        return {}
    return {pattern: _read(table) for pattern, table in tomllib.loads(file.read_text(encoding="utf-8")).items()}


def _read(table: dict[str, Any]) -> Recipe:
    settings: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in table.items()
    }
    source, steps, reward = settings.pop("source"), settings.pop("steps", None), settings.pop("reward", None)
    return Recipe(settings, steps, reward, source)


def _specificity(pattern: str, dataset: str) -> int:
    """Letters of the longest alternative that matches, a full name's last; -1 where none does."""
    matching = [glob for glob in pattern.split("|") if fnmatchcase(dataset, glob)]
    return max((len(glob.replace("*", "")) + (glob == dataset) for glob in matching), default=-1)
