"""Parquet: one row per step, in the columns of `flat`, with all else as JSON in the file's metadata.

Columns of lists, such as `obs` with as many numbers in each row, are read as vectors. Needs the package pyarrow.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from mooring.data.dataset import Dataset
from mooring.data.formats import meta, names
from mooring.data.formats.flat import flattened, gathered
from mooring.errors import BadInput, missing_extra

META = b"mooring"


def read(path: Path, **given: Any) -> Dataset:
    """The data set in a file; `given` is what `Dataset.build` takes beside columns. Raises BadInput."""
    where = str(path)
    arrow, parquet = _arrow(where)
    try:
        table = parquet.read_table(path)
    except (OSError, arrow.ArrowException) as error:
        raise BadInput(where, f"is not a readable Parquet file ({error})", "a whole file") from error
    arrays, labels = gathered({name: _numbers(table[name], name, where) for name in table.column_names}, where)
    text = (table.schema.metadata or {}).get(META)
    stored = meta.from_json(text.decode(errors="replace"), where) if text else labels
    return names.assembled(arrays, path, where, stored, given)


def write(data: Dataset, path: Path) -> None:
    """A file that `read` turns into an equal data set."""
    arrow, parquet = _arrow(str(path))
    table = arrow.table({name: np.ascontiguousarray(c) for name, c in flattened(data).items()})
    parquet.write_table(table.replace_schema_metadata({META: meta.to_json(data)}), path)


def _arrow(where: str) -> tuple[Any, Any]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise missing_extra("pyarrow", "table", where) from error
    return pyarrow, pyarrow.parquet


def _numbers(column: Any, name: str, where: str) -> np.ndarray:
    """A column as numbers (N,), or (N, K) from lists of K numbers each."""
    fix = "mooring data import reads tables with text and missing values"
    if column.null_count:
        row = np.asarray(column.is_null()).argmax()
        raise BadInput(where, f"{name} is missing in {column.null_count} rows, first row {row}", "a number", fix)
    if hasattr(column.type, "value_type") and len(column):
        lists = column.combine_chunks()
        cells = _numbers(lists.flatten(), name, where)
        if len(set(np.diff([0, *lists.value_lengths().to_numpy().cumsum()]))) > 1:
            raise BadInput(where, f"{name} holds lists of several lengths", "as many numbers in each row")
        return cells.reshape(len(column), -1)
    array: np.ndarray = column.to_numpy() if hasattr(column, "chunks") else column.to_numpy(zero_copy_only=False)
    if array.dtype.kind not in "biuf":
        raise BadInput(where, f"{name} holds {column.type}", "numbers", fix)
    return array
