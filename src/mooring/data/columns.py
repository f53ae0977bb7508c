"""Raw columns to checked ones of equal length, with each row's next observation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from mooring.data import validation
from mooring.data.validation import Obs
from mooring.errors import BadInput


def checked_columns(given: Mapping[str, Any], where: str) -> dict[str, Any]:
    """The columns of `Dataset.build`, each checked; actions only for being numbers.

    `truncated` may be None (nowhere), and so may `continues` (1 where not terminated) and `next_obs` (left out).
    """
    reward = validation.float32(validation.vector(given["reward"], "reward", where), "reward", where)
    columns: dict[str, Any] = {
        "obs": validation.observations(given["obs"], "obs", where),
        "action": validation.numeric(given["action"], "action", where),
        "reward": reward,
        "terminated": validation.flags(given["terminated"], "terminated", where),
        "truncated": np.zeros(len(reward), bool),
        "extra": {name: validation.extra_column(column, name, where) for name, column in given["extra"].items()},
    }
    if given["truncated"] is not None:
        columns["truncated"] = validation.flags(given["truncated"], "truncated", where)
    if given["continues"] is not None:
        columns["continues"] = validation.float32(
            validation.vector(given["continues"], "continues", where), "continues", where
        )
    if given["next_obs"] is not None:
        columns["next_obs"] = validation.observations(given["next_obs"], "next_obs", where)
        _check_alike(columns["obs"], columns["next_obs"], where)
    _check_lengths(columns, where)
    columns["continues"] = _continues(columns.get("continues"), columns["terminated"], where)
    return columns


def _continues(given: np.ndarray | None, terminated: np.ndarray, where: str) -> np.ndarray:
    """0 where the MDP terminated; elsewhere as given, above 0 and at most 1, or else 1."""
    if given is None:
        return (~terminated).astype(np.float32)
    bad = np.flatnonzero(~terminated & ((given <= 0) | (given > 1)))
    if len(bad):
        first = f"first row {bad[0]} ({given[bad[0]]:g})"
        found = f"continues lies outside in {len(bad)} rows that do not terminate, {first}"
        raise BadInput(where, found, "above 0 and at most 1")
    return np.where(terminated, np.float32(0), given)


def _check_lengths(columns: dict[str, Any], where: str) -> None:
    expected = len(columns["reward"])
    if not expected:
        raise BadInput(where, "no rows", "at least one step")
    for name, column in columns.items():
        for part, array in validation.parts(column).items():
            if len(array) != expected:
                found = f"{validation.label(name, part)} has {len(array)} rows and reward has {expected}"
                raise BadInput(where, found, "one row per step in every column")


def _check_alike(obs: Obs, next_obs: Obs, where: str) -> None:
    """next_obs has the parts, shapes and dtypes of obs."""
    ours, theirs = (
        {part: (array.dtype, array.shape[1:]) for part, array in validation.parts(column).items()}
        for column in (obs, next_obs)
    )
    if ours != theirs:
        raise BadInput(where, "obs and next_obs differ in parts, shape or dtype", "the same form in both")


def shifted(columns: dict[str, Any], where: str) -> dict[str, Any]:
    """The columns with `next_obs` taken from the row after, less the rows whose next observation is unknown.

    Those are the last rows of episodes that did not terminate. A terminated row keeps its own observation, so that
    nothing from after a reset is ever shown.
    """
    terminated = columns["terminated"]
    last = terminated | columns["truncated"]
    last[-1] = True
    keep = terminated | ~last
    if not keep.any():
        raise BadInput(where, "no row has a next observation", fix="give next_obs")
    row_after = np.arange(len(last)) + ~last
    precedes_dropped = np.append(~keep[1:], False)
    kept = {name: take(column, keep) for name, column in columns.items()}
    kept["next_obs"] = take(columns["obs"], row_after[keep])
    kept["truncated"] = (precedes_dropped & ~terminated)[keep]
    return kept


def take(column: Any, rows: np.ndarray) -> Any:
    """The rows of an array, or of each array of a dict."""
    return {part: array[rows] for part, array in column.items()} if isinstance(column, dict) else column[rows]
