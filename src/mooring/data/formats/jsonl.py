"""JSON lines: one object per step, as loggers write them.

    {"episode": 0, "obs": [0.1, 0.2], "action": 1, "reward": 0.5, "next_obs": [0.2, 0.3], "terminated": false,
     "truncated": false, "extra": {"weight": 0.7}}

`obs` is a list of numbers, an integer, or an object of those; a list as `action` is continuous, a whole number
discrete. `episode` may be left out where `terminated` and `truncated` tell the ends; `next_obs` as in `Dataset.build`.
Other keys with numbers are extra columns too. `continues` is there where a row stands for several steps. A first line
with the one key "meta" holds all that is not a column.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np

from mooring.data.dataset import Dataset
from mooring.data.formats import meta, names
from mooring.data.formats.flat import mark_ends
from mooring.data.formats.text import CHUNK, chunks, pattern, single
from mooring.data.validation import parts
from mooring.errors import BadInput

Line = tuple[int, dict[str, Any]]
"""Its number, from 1, and what it holds."""


def read(path: Path, **given: Any) -> Dataset:
    """The data set in a file; `given` is what `Dataset.build` takes beside columns. Raises BadInput."""
    where = str(path)
    stored: dict[str, Any] = {}
    try:
        with path.open(encoding="utf-8") as file:
            steps = _steps(file, where)
            first = next(steps, None)
            if first is not None and list(first[1]) == ["meta"]:
                stored, first = meta.from_json(json.dumps(first[1]["meta"]), where), next(steps, None)
            if first is None:
                raise BadInput(where, "no rows", "at least one step")
            arrays = _columns(first, steps, where)
    except UnicodeDecodeError as error:
        raise BadInput(where, f"is not text ({error})", "JSON in UTF-8") from error
    mark_ends(arrays, where)
    return names.assembled(arrays, path, where, stored, given)


def write(data: Dataset, path: Path) -> None:
    """A file that `read` turns into an equal data set. Raises BadInput where observations are images."""
    if any(column.ndim > 2 for column in parts(data.obs).values()):
        raise BadInput(data.name, "has images, which text can not hold", fix="choose npz, hdf5, minari or episodes")
    terminated = data.continues == 0
    columns: dict[str, Any] = {
        "episode": np.repeat(np.arange(data.num_episodes), data.lengths),
        "obs": data.obs,
        "action": data.action,
        "reward": data.reward,
        "next_obs": data.next_obs,
        "terminated": terminated,
        "truncated": data.last & ~terminated,
    }
    if (data.continues != ~terminated).any():
        columns["continues"] = data.continues
    if data.extra:
        columns["extra"] = data.extra
    line, numbers = _template(columns)
    with path.open("w", encoding="utf-8") as file:
        file.write(f'{{"meta": {meta.to_json(data)}}}\n')
        for rows in chunks(numbers):
            file.writelines(f"{line % row}\n" for row in rows)


def _template(column: Any) -> tuple[str, list[np.ndarray]]:
    """What `%` fills to a line, and the columns (N,) of numbers that it is filled with."""
    if isinstance(column, dict):
        inner = {json.dumps(name).replace("%", "%%"): _template(part) for name, part in column.items()}
        fields = ", ".join(f"{name}: {template}" for name, (template, _) in inner.items())
        return f"{{{fields}}}", [column for _, columns in inner.values() for column in columns]
    if column.dtype == bool:
        column = np.where(column, "true", "false")
    if column.ndim == 1:
        return pattern(column), [column]
    entries = list(column.reshape(len(column), -1).T)
    return f"[{', '.join([pattern(column)] * len(entries))}]", entries


def _steps(lines: Iterable[str], where: str) -> Iterator[Line]:
    """Each line's object; blank lines are left out."""
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            step = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise BadInput(where, f"line {number} is not JSON ({error})", "one object per line") from error
        if not isinstance(step, dict):
            raise BadInput(where, f"line {number} holds a {type(step).__name__}", "one object per line")
        yield number, step


def _columns(first: Line, others: Iterator[Line], where: str) -> dict[str, np.ndarray]:
    """The values of each key, row by row; "obs/part" for parts of objects."""
    keys = _values(first[1]).keys()
    pieces: list[dict[str, np.ndarray]] = []
    lines = chain([first], others)
    while chunk := list(islice(lines, CHUNK)):
        numbers, rows = [number for number, _ in chunk], [_values(step) for _, step in chunk]
        for number, row in zip(numbers, rows, strict=True):
            if row.keys() != keys:
                changed = sorted(keys - row.keys()) or sorted(row.keys() - keys)
                found = f"line {number} {'lacks' if keys - row.keys() else 'has also'} {', '.join(changed)}"
                raise BadInput(where, found, "the keys of the first line in each")
        pieces.append({key: _array([row[key] for row in rows], key, numbers, where) for key in keys})
    arrays = {key: np.concatenate([piece[key] for piece in pieces]) for key in keys}
    if "action" in arrays and arrays["action"].ndim > 1:  # a list is continuous, even if all its numbers are whole
        arrays["action"] = arrays["action"].astype(np.float32)
    return arrays


def _values(step: dict[str, Any]) -> dict[str, Any]:
    """A step's values by key, those in objects by "key/part"."""
    values: dict[str, Any] = {}
    for key, value in step.items():
        if isinstance(value, dict):
            values |= {f"{key}/{part}": each for part, each in value.items()}
        else:
            values[key] = value
    return values


def _array(values: list[Any], key: str, lines: list[int], where: str) -> np.ndarray:
    try:
        array = np.array(values)
    except ValueError:
        array = np.array(None)
    if array.dtype.kind in "biuf":
        return single(array)
    forms = [_form(value) for value in values]
    row = next(row for row, form in enumerate(forms) if form is None or form != forms[0])
    found = f"{key} is {str(values[row])[:20]} in line {lines[row]}"
    raise BadInput(where, found, "numbers, as many in each line", "mooring data import reads text and missing values")


def _form(value: Any) -> tuple[int, ...] | None:
    """The shape of a value of numbers; None for any other."""
    try:
        array = np.asarray(value)
    except ValueError:
        return None
    return array.shape if array.dtype.kind in "biuf" else None
