"""Numbers to text and back, so that float32 comes back as it was."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

CHUNK = 500  # rows at a time: Python's numbers stay few, which is twice as fast as 20,000


def chunks(columns: list[np.ndarray]) -> Iterator[Iterator[tuple[Any, ...]]]:
    """The rows of columns as tuples of Python's numbers, some at a time."""
    for start in range(0, len(columns[0]), CHUNK):
        yield zip(*(column[start : start + CHUNK].tolist() for column in columns), strict=True)


def pattern(column: np.ndarray) -> str:
    """How `%` writes a column's numbers so that reading gives them again, whole floats with a point."""
    if column.dtype.kind != "f":
        return "%d" if column.dtype.kind in "iu" else "%s"
    whole = bool((column == np.trunc(column)).all() and (np.abs(column) < 1e15).all())
    return "%.1f" if whole else "%.9g"


def single(array: np.ndarray) -> np.ndarray:
    """Floats in float32, as data sets hold them, so that text takes half of the memory; other numbers as they are."""
    with np.errstate(over="ignore"):  # what does not fit becomes infinite, which `Dataset.build` refuses
        return array.astype(np.float32) if array.dtype.kind == "f" else array
