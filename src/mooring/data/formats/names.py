"""Columns by the names that are in use for them, put together to a data set."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mooring.data import catalog
from mooring.data.dataset import Dataset
from mooring.data.episodes import Episode, flat_columns
from mooring.data.validation import flags, vector
from mooring.errors import BadInput

SYNONYMS = {
    "obs": ("obs", "observations", "observation", "states"),
    "action": ("action", "actions"),
    "reward": ("reward", "rewards"),
    "next_obs": ("next_obs", "next_observations", "next_states"),
    "terminated": ("terminated", "terminals", "terminations"),
    "done": ("done", "dones"),
    "truncated": ("truncated", "timeouts", "truncations"),
    "continues": ("continues",),
    "last": ("last",),
}
KNOWN = {synonym for synonyms in SYNONYMS.values() for synonym in synonyms}
ENDS = ("terminated", "done", "truncated", "continues", "last")
REQUIRED = ("obs", "action", "reward", "terminated")
GROUPS = ("obs", "next_obs", "extra")


def assembled(
    arrays: Mapping[str, Any], path: Path, where: str, stored: Mapping[str, Any], given: Mapping[str, Any]
) -> Dataset:
    """The data set of named arrays; parts of dicts are named "obs/part", and further columns by any other name.

    A column named `done` that marks every truncated row too is taken to mean either end, so that only its other rows
    count as terminated. `given` wins over `stored` (what the file says of itself; see `meta`), and that over what
    the catalog knows of the file's name and environment. Raises BadInput.
    """
    return built(columns_of(arrays, where), path, where, stored, given)


def columns_of(arrays: Mapping[str, Any], where: str) -> dict[str, Any]:
    """The arrays by the names that `Dataset.build` takes. Raises BadInput where one is missing that it needs."""
    columns = _named(arrays, where)
    columns |= {name: vector(columns[name], name, where) for name in ENDS if name in columns}
    columns = _with_ends(columns, where)
    missing = [name for name in REQUIRED if name not in columns]
    if missing:
        found = f"lacks {', '.join(missing)} (it holds {', '.join(sorted(arrays)[:8]) or 'nothing'})"
        raise BadInput(where, found, "obs, action, reward and terminated, or usual names for them")
    return columns


def built(
    columns: Mapping[str, Any], path: Path, where: str, stored: Mapping[str, Any], given: Mapping[str, Any]
) -> Dataset:
    """`Dataset.build` of columns, with what is known of the file beside them; see `assembled`."""
    known = catalog.defaults(path.stem, given.get("env") or stored.get("env")) | {**stored, **given}
    scale, shift = known.pop("reward_scale", 1.0), known.pop("reward_shift", 0.0)
    return Dataset.build(**columns, where=where, **known).with_reward(scale=scale, shift=shift)


def joined(episodes: list[Episode], where: str) -> dict[str, Any]:
    """The columns of all episodes, by the names that `Dataset.build` takes; `continues` is one if it is an extra."""
    columns = flat_columns(episodes, where)
    if "continues" in columns["extra"]:
        columns["continues"] = columns["extra"].pop("continues")
    return columns


def _named(arrays: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Columns by the names that `Dataset.build` takes."""
    columns: dict[str, Any] = {"extra": {}}
    for name, synonyms in SYNONYMS.items():
        present = [key for key in synonyms if key in arrays]
        if present:
            columns[name] = arrays[present[0]]
    rows = np.shape(columns.get("reward", ()))[:1]
    for key, array in arrays.items():
        group, _, part = key.partition("/")
        if part and group in GROUPS:
            parts = columns.setdefault(group, {})
            if not isinstance(parts, dict):
                raise BadInput(where, f"has both {group} and {key}", "one or the other")
            parts[part] = array
        elif key not in KNOWN and np.shape(array)[:1] == rows:
            columns["extra"][key] = array
    return columns


def _with_ends(columns: dict[str, Any], where: str) -> dict[str, Any]:
    """The two kinds of ends, from whichever columns tell them."""
    done, last = columns.pop("done", None), columns.pop("last", None)
    if "continues" in columns:
        columns.setdefault("terminated", columns["continues"] == 0)
    if done is not None:
        columns.setdefault("terminated", _without_cuts(done, columns.get("truncated")))
    if last is not None and "terminated" in columns:
        columns["truncated"] = _cuts(last, columns["terminated"], columns.get("truncated"), where)
    return columns


def _cuts(last: np.ndarray, terminated: np.ndarray, truncated: np.ndarray | None, where: str) -> np.ndarray:
    """The last rows that did not terminate, and those that are truncated."""
    if len(last) != len(terminated):
        return last  # `Dataset.build` says that its length differs
    cut: np.ndarray = (last != 0) & (terminated == 0)
    if truncated is None or len(truncated) != len(cut):
        return cut if truncated is None else truncated
    return cut | flags(truncated, "truncated", where)


def _without_cuts(done: np.ndarray, truncated: np.ndarray | None) -> np.ndarray:
    """Where `done` marks every truncated row too, it means either end, and is cleared there."""
    if truncated is None or truncated.shape != done.shape:
        return done
    cut = truncated != 0
    return np.where(cut, 0, done) if done[cut].all() else done
