"""NumPy's .npz: read with the names that are in use, written so that a data set comes back as it was.

Nothing is unpickled. Known names are those of `Dataset`, and the usual ones for them (see `names`). Parts of dicts
are named "obs/part". Every other array with one row per step becomes an extra column.
"""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from mooring.data.dataset import Dataset
from mooring.data.formats import meta, names
from mooring.data.landing import landing
from mooring.errors import BadInput

DAMAGED = (OSError, EOFError, RuntimeError, MemoryError, zipfile.BadZipFile, zlib.error)


def read(path: Path, **given: Any) -> Dataset:
    """The data set in a file; `given` is what `Dataset.build` takes beside columns. Raises BadInput."""
    where = str(path)
    arrays = arrays_of(path, where)
    stored = meta.from_json(str(arrays.pop("meta")), where) if "meta" in arrays else {}
    return names.assembled(arrays, path, where, stored, given)


def arrays_of(path: Path, where: str) -> dict[str, np.ndarray]:
    """The arrays in a file by name. Raises BadInput where it is damaged, or would have to be unpickled."""
    if not zipfile.is_zipfile(path):
        raise BadInput(where, "is not a .npz file, or not a whole one", "what numpy.savez writes")
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            return {name: arrays[name] for name in arrays.files}
    except ValueError as error:
        found = f"holds what only a pickle can store ({error})"
        raise BadInput(where, found, "arrays of numbers", "save each column with its own dtype") from error
    except DAMAGED as error:
        raise BadInput(where, f"is damaged ({error})", "a whole .npz file") from error


def write(data: Dataset, path: Path) -> None:
    """A compressed .npz that `read` turns into an equal data set."""
    write_arrays({**data.columns(), "meta": np.array(meta.to_json(data))}, path)


def write_arrays(arrays: dict[str, Any], path: Path) -> None:
    """A compressed file, whatever its ending."""
    with path.open("wb") as file:
        np.savez_compressed(file, **arrays)


def save_npz(data: Dataset, path: Path | str) -> None:
    """Writes a compressed .npz that `read` turns into an equal data set; the file appears whole or not at all."""
    with landing(Path(path)) as part:
        write(data, part)
