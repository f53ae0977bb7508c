"""CSV: a table with a header and one row per step, in the columns of `flat`.

A column of whole numbers without points is one of integers, and True and False are booleans; so `action` with 0, 1, 2
is discrete, and `action_0` is continuous whatever it holds. Nothing else is stored: no spaces, no environment.
Tables with other columns, text or missing values come in with `mooring data import`.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from mooring.data.dataset import Dataset
from mooring.data.formats import names
from mooring.data.formats.flat import flattened, gathered
from mooring.data.formats.text import CHUNK, chunks, pattern, single
from mooring.errors import BadInput

BOOLEANS = {"true": True, "false": False}


def read(path: Path, **given: Any) -> Dataset:
    """The data set in a file; `given` is what `Dataset.build` takes beside columns. Raises BadInput."""
    where = str(path)
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            columns = _columns(csv.reader(file), where)
    except (UnicodeDecodeError, csv.Error) as error:
        raise BadInput(where, f"is not a CSV file ({error})", "text in UTF-8") from error
    arrays, labels = gathered(columns, where)
    return names.assembled(arrays, path, where, labels, given)


def write(data: Dataset, path: Path) -> None:
    """A file with nine digits of each number, enough to read float32 back as it was."""
    columns = flattened(data)
    line = ",".join(pattern(column) for column in columns.values()) + "\n"
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerow(columns)
        for rows in chunks(list(columns.values())):
            file.writelines(line % row for row in rows)


def _columns(lines: Iterator[list[str]], where: str) -> dict[str, np.ndarray]:
    header = next(lines, [])
    if not header or len(set(header)) < len(header):
        raise BadInput(where, "has no header" if not header else "has two columns of one name", "a name per column")
    pieces: list[list[np.ndarray]] = []
    first = 0
    while chunk := list(islice(lines, CHUNK)):
        rows = [row for row in chunk if row]  # not blank lines
        if not rows:
            continue
        _check_widths(rows, header, first, where)
        cells = zip(*rows, strict=True)
        pieces.append([_numbers(c, name, first, where) for c, name in zip(cells, header, strict=True)])
        first += len(rows)
    if not pieces:
        raise BadInput(where, "no rows", "at least one step")
    return {name: np.concatenate([piece[i] for piece in pieces]) for i, name in enumerate(header)}


def _check_widths(rows: list[list[str]], header: list[str], first: int, where: str) -> None:
    for number, row in enumerate(rows, first):
        if len(row) != len(header):
            raise BadInput(where, f"row {number} has {len(row)} cells", f"{len(header)}, as the header")


def _numbers(cells: tuple[str, ...], name: str, first: int, where: str) -> np.ndarray:
    """Cells as integers, else as floats, else as booleans."""
    for convert in (int, float, lambda cell: BOOLEANS[cell.lower()]):
        try:
            return single(np.array([convert(cell) for cell in cells]))
        except (ValueError, KeyError, OverflowError):
            continue
    row, cell = next((row, cell) for row, cell in enumerate(cells, first) if not _is_number(cell))
    fix = "mooring data import reads tables with text and missing values"
    raise BadInput(where, f"{name} is {cell[:20]!r} in row {row}", "a number", fix)


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True
