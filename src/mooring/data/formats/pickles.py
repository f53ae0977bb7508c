"""Old pickles of arrays: lists of trajectories, as the Decision Transformer's (Chen et al. 2021, arXiv:2106.01345), or
one dict of arrays. They are read without Python's unpickler, see `opcodes`; nothing is written as a pickle.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from mooring.data.dataset import Dataset
from mooring.data.formats import names
from mooring.data.formats.opcodes import Allowance, Stored, loads
from mooring.errors import BadInput


def read(path: Path, **given: Any) -> Dataset:
    """The data set in a file; `given` is what `Dataset.build` takes beside columns. Raises BadInput.

    The file holds a dict of arrays, or a list of such dicts, one for each trajectory, by the usual names (see
    `names`). A trajectory that does not terminate counts as cut off; where it has an observation more than actions, or
    `next_observations`, no row is lost.
    """
    where = str(path)
    found = loads(path, where)
    allowance = Allowance(path.stat().st_size, where)
    if isinstance(found, dict):
        return names.assembled(_arrays(found, allowance), path, where, {}, given)
    if not isinstance(found, list | tuple) or not found or not all(isinstance(each, dict) for each in found):
        raise BadInput(where, f"holds a {type(found).__name__}", "a dict of arrays, or a list of such dicts")
    trajectories = []
    for number, each in enumerate(found):
        allowance.where = f"{where}, trajectory {number}"
        trajectories.append(_trajectory(_arrays(each, allowance), allowance.where))
    return names.built(_joined(trajectories, where), path, where, {}, given)


def _arrays(columns: dict[Any, Any], allowance: Allowance) -> dict[str, np.ndarray]:
    """The columns that are arrays or lists of numbers; others are left out."""
    arrays: dict[str, np.ndarray] = {}
    for name, value in columns.items():
        rows = [value] if isinstance(value, Stored) else value
        if not isinstance(rows, list | tuple):
            continue
        allowance.spend(sum(_size(row) for row in rows), str(name))
        if not all(_is_flat(row) for row in rows):
            continue
        try:
            plain = [row.array if isinstance(row, Stored) else row for row in rows]
            arrays[str(name)] = np.asarray(plain[0] if isinstance(value, Stored) else plain)
        except ValueError as error:
            raise BadInput(allowance.where, f"{name} is ragged", "an array with one row per step") from error
    return {name: array for name, array in arrays.items() if array.ndim}


def _size(row: Any) -> int:
    """How many numbers a row has, if it has any."""
    if isinstance(row, Stored):
        return row.array.size if row.array is not None else 1
    return len(row) if isinstance(row, list | tuple) else 1


def _is_flat(row: Any) -> bool:
    """Whether a row is a number, an array or a list of numbers."""
    if isinstance(row, list | tuple):
        return all(isinstance(number, int | float) for number in row)
    return isinstance(row, int | float) or (isinstance(row, Stored) and row.array is not None)


def _trajectory(arrays: dict[str, np.ndarray], where: str) -> dict[str, Any]:
    """The columns of one trajectory, which ends with its last row, and does not terminate unless it says so."""
    rows = next((len(arrays[name]) for name in names.SYNONYMS["reward"] if name in arrays), 0)
    ends = {*names.SYNONYMS["terminated"], *names.SYNONYMS["done"], "continues"}
    if not ends & arrays.keys():
        arrays = arrays | {"terminated": np.zeros(rows)}
    columns = names.columns_of(arrays, where)
    if not rows or columns["terminated"].shape[:1] != (rows,):
        raise BadInput(where, f"has {rows} rewards and {len(columns['terminated'])} terminals", "one of each per step")
    if len(columns["obs"]) == rows + 1:
        columns["next_obs"], columns["obs"] = columns["obs"][1:], columns["obs"][:-1]
    columns["truncated"] = np.arange(rows) == rows - 1
    columns["truncated"][-1] = not columns["terminated"][-1]
    return columns


def _joined(trajectories: list[dict[str, Any]], where: str) -> dict[str, Any]:
    """The columns that every trajectory has, end to end."""
    shared = [name for name in trajectories[0] if name != "extra" and all(name in each for each in trajectories)]
    extra = [name for name in trajectories[0]["extra"] if all(name in each["extra"] for each in trajectories)]
    try:
        return {name: np.concatenate([each[name] for each in trajectories]) for name in shared} | {
            "extra": {name: np.concatenate([each["extra"][name] for each in trajectories]) for name in extra}
        }
    except ValueError as error:
        raise BadInput(where, f"its trajectories differ in shape ({error})", "the same columns in each") from error
