"""Data sets as columns of one number per row, for tables: obs_0, obs_1, action_0, reward, and so on.

- A vector's entries are `obs_0`, `obs_1`, ..., or, where the data set labels them, all `obs_NAME`; parts of a dict are
  `obs/PART_0`. An integer is plain `obs` or `obs/PART`. `next_obs` and `action` are named alike.
- `episode` numbers the episodes; where it changes, one ends. `terminated` and `truncated` say how.
- `continues` is there where a row stands for several steps of time.
- Every other column is an extra one; the entries of a vector are `NAME[0]`, `NAME[1]`, ...
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np

from mooring.data.dataset import Dataset
from mooring.data.formats.names import KNOWN
from mooring.data.spaces import Bounds
from mooring.data.validation import parts, vector
from mooring.errors import BadInput

FIELDS = ("obs", "action", "next_obs")
ENTRY = re.compile(r"(?P<field>next_obs|obs|action)(/(?P<part>.+?))?(_(?P<entry>[^/]+))?")
CELL = re.compile(r"(?P<name>.+)\[(?P<entry>\d+)\]")


def flattened(data: Dataset) -> dict[str, np.ndarray]:
    """The columns (N,) of a data set by name. Raises BadInput where observations are images."""
    terminated = data.continues == 0
    columns = {"episode": np.repeat(np.arange(data.num_episodes, dtype=np.int32), data.lengths)}
    for field in FIELDS:
        labels = _entry_names(data, "action" if field == "action" else "obs")
        for part, column in parts(getattr(data, field)).items():
            columns |= _entries(f"{field}/{part}" if part else field, column, labels, data.name)
        if field == "action":
            columns["reward"] = data.reward
    columns |= {"terminated": terminated, "truncated": data.last & ~terminated}
    if (data.continues != ~terminated).any():
        columns["continues"] = data.continues
    for name, column in data.extra.items():
        plain = f"extra/{name}" if _means_another(name, columns) else name
        cells = column.reshape(len(data), -1).T
        columns |= {plain: column} if column.ndim == 1 else {f"{plain}[{i}]": cell for i, cell in enumerate(cells)}
    return columns


def gathered(flat: Mapping[str, np.ndarray], where: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Arrays as `names.assembled` takes them, and labels as `Dataset.build` does. Raises BadInput."""
    groups: dict[str, dict[str, np.ndarray]] = {}
    for name, column in flat.items():
        array, entry = _place(name, flat)
        groups.setdefault(array, {})[entry] = column
    labels = {field: list(groups[field]) for field in ("obs", "action") if _named_entries(groups.get(field, {}))}
    arrays = {name: _stacked(name, group, where) for name, group in groups.items()}
    mark_ends(arrays, where)
    return arrays, {"labels": labels} if labels else {}


def mark_ends(arrays: dict[str, np.ndarray], where: str) -> None:
    """Puts `last` in the place of `episode`, if that is there. Raises BadInput where an episode's rows are apart."""
    if "episode" in arrays:
        arrays["last"] = _last_of(arrays.pop("episode"), where)


def _entry_names(data: Dataset, field: str) -> list[str] | None:
    """The names of a vector's entries, if it has some that can not be taken for numbers."""
    labels = data.labels.get(field, ())
    space = data.obs_space if field == "obs" else data.action_space
    usable = isinstance(space, Bounds) and len(set(labels)) == len(labels) and not any(map(_is_number, labels))
    return list(labels) if labels and usable else None


def _entries(name: str, column: np.ndarray, labels: list[str] | None, where: str) -> dict[str, np.ndarray]:
    if column.ndim == 1:
        return {name: column}
    if column.ndim > 2:
        raise BadInput(where, "has images, which a table can not hold", fix="choose npz, hdf5, minari or episodes")
    return {f"{name}_{labels[i] if labels else i}": column[:, i] for i in range(column.shape[1])}


def _means_another(name: str, columns: Mapping[str, Any]) -> bool:
    """Whether an extra column of that name would be read as something else."""
    return name in KNOWN or name == "episode" or "/" in name or _place(name, columns) != (name, "")


def _place(name: str, names: Collection[str]) -> tuple[str, str]:
    """The array that a column among others belongs to, and its entry there ("" for all of it).

    `action_log_prob` is an entry only where no `action` and no `action_0` is there.
    """
    if match := ENTRY.fullmatch(name):
        array = f"{match['field']}/{match['part']}" if match["part"] else match["field"]
        entry = match["entry"] or ""
        if _is_number(entry) or not entry or not {array, f"{array}_0"} & {*names}:
            return array, entry
    if match := CELL.fullmatch(name):
        return match["name"], match["entry"]
    return name, ""


def _named_entries(group: Mapping[str, np.ndarray]) -> bool:
    return bool(group) and not any(_is_number(entry) or not entry for entry in group)


def _is_number(entry: str) -> bool:
    return entry.isdigit()


def _stacked(name: str, group: dict[str, np.ndarray], where: str) -> np.ndarray:
    """One array of its entries: in the order of their numbers, or as they come where they have names."""
    if list(group) == [""]:
        return group[""]
    if "" in group:
        raise BadInput(where, f"has both {name} and {name}_{next(e for e in group if e)}", "one or the other")
    if all(_is_number(entry) for entry in group):
        group = dict(sorted(group.items(), key=lambda item: int(item[0])))
        if [int(entry) for entry in group] != list(range(len(group))):
            raise BadInput(where, f"{name} has the entries {', '.join(group)}", f"0 to {len(group) - 1}")
    elif any(_is_number(entry) for entry in group):
        raise BadInput(where, f"{name} has the entries {', '.join(group)}", "numbers from 0, or names")
    array = np.stack(list(group.values()), axis=1)
    vector = ENTRY.fullmatch(name) is not None  # a vector's numbers are continuous, even if all are whole
    return array.astype(np.float32) if vector and array.dtype != np.float32 else array


def _last_of(episode: np.ndarray, where: str) -> np.ndarray:
    """The last row of each episode."""
    episode = vector(episode, "episode", where)
    last = np.append(episode[1:] != episode[:-1], True)
    starts = np.append(0, np.flatnonzero(last)[:-1] + 1)
    _, first = np.unique(episode[starts], return_index=True)
    if len(first) != len(starts):
        row = starts[np.setdiff1d(np.arange(len(starts)), first)[0]]
        found = f"the rows of episode {episode[row]} are not together: it comes again in row {row}"
        raise BadInput(where, found, "whole episodes, one after the other", "mooring data import sorts rows")
    return last
