"""Plain HDF5: the columns and names of our .npz, with groups for dicts, and the rest as JSON in the text `meta`.

`meta` is a text of its own rather than an attribute, since HDF5 attributes end at 64 kB. Files with the usual names
for columns (see `names`) are read too.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from mooring.data.dataset import Dataset
from mooring.data.formats import meta, names
from mooring.errors import BadInput

CHUNK = 2**20  # bytes; whole rows, so that they are read at once
DAMAGED = (OSError, RuntimeError, KeyError, TypeError)  # what h5py raises where a file is not whole
PACKED = {"compression": "gzip", "compression_opts": 1, "shuffle": True}


def read(path: Path, **given: Any) -> Dataset:
    """The data set in a file; `given` is what `Dataset.build` takes beside columns. Raises BadInput."""
    where = str(path)
    try:
        with h5py.File(path, "r") as file:
            arrays, text = arrays_of(file), text_of(file, "meta")
    except DAMAGED as error:
        raise BadInput(where, f"is not a readable HDF5 file ({error})", "a whole file") from error
    return names.assembled(arrays, path, where, meta.from_json(text, where) if text else {}, given)


def write(data: Dataset, path: Path) -> None:
    """A file that `read` turns into an equal data set."""
    with h5py.File(path, "w") as file:
        for name, column in data.columns().items():
            store(file, name, column)
        file["meta"] = meta.to_json(data)


def arrays_of(group: h5py.Group, but: Collection[str] = ()) -> dict[str, np.ndarray]:
    """Every array of numbers below a group, by its path, but for what lies at or below some names at the top."""
    found: dict[str, np.ndarray] = {}

    def collect(name: str, item: Any) -> None:
        wanted = name.partition("/")[0] not in but
        if wanted and isinstance(item, h5py.Dataset) and item.ndim and item.dtype.kind in "biuf":
            found[name] = item[()]

    group.visititems(collect)
    return found


def text_of(group: h5py.Group, name: str) -> str | None:
    """A single text, or None where there is none of that name."""
    item = group.get(name)
    value = item[()] if isinstance(item, h5py.Dataset) and item.ndim == 0 else None
    return value.decode(errors="replace") if isinstance(value, bytes) else None


def store(group: h5py.Group, name: str, column: np.ndarray) -> None:
    """A compressed array."""
    width = max(1, column[:1].nbytes)
    rows = min(len(column), max(1, CHUNK // width))
    group.create_dataset(name, data=column, chunks=(rows, *column.shape[1:]), **PACKED)
