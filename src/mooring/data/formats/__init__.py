"""The formats that data sets are read from and written to: one file each, imported when it is needed.

Each module has `read(path, **meta) -> Dataset`, where `meta` is what `Dataset.build` takes beside columns, and
(all but pickle) `write(data, path)`. Formats that share an ending, or are folders, have `recognizes(names)`, which
tells by the names that a file or folder holds. `Dataset`s are saved with `mooring.data.save`, which says what a
format could not hold.
"""

from __future__ import annotations

import zipfile
from collections.abc import Collection
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mooring.errors import BadInput, unknown

if TYPE_CHECKING:
    from mooring.data.dataset import Dataset


@dataclass(frozen=True)
class Format:
    """One row of the table. A format without endings is a folder."""

    name: str
    endings: tuple[str, ...]
    module: str
    purpose: str
    writes: bool = True

    def read(self, path: Path, **meta: Any) -> Dataset:
        """The data set. Raises BadInput."""
        data: Dataset = self._module().read(path, **meta)
        return data

    def write(self, data: Dataset, path: Path) -> None:
        """Writes to a path where nothing is. Raises BadInput where the format can not hold the observations."""
        if not self.writes:
            raise BadInput(f"format {self.name}", "is only read", ", ".join(e.name for e in FORMATS if e.writes))
        self._module().write(data, path)

    def recognizes(self, names: Collection[str]) -> bool:
        """Whether something that holds these names is of this format, and not of another with the same ending."""
        return bool(self._module().recognizes(names))

    def _module(self) -> Any:
        return import_module(f"{__name__}.{self.module}")


FORMATS = (  # where several share an ending, the first is written, and read unless another recognizes the file
    Format("npz", (".npz",), "npz", "NumPy arrays; holds everything"),
    Format("hdf5", (".hdf5", ".h5"), "hdf5", "the same columns in HDF5; holds everything"),
    Format("parquet", (".parquet",), "parquet", "a table of one row per step; no images"),
    Format("jsonl", (".jsonl", ".ndjson"), "jsonl", "one JSON object per step; no images"),
    Format("csv", (".csv",), "csv", "a table of one row per step; no images, columns only"),
    Format("d4rl", (".hdf5", ".h5"), "d4rl", "D4RL's HDF5 files"),
    Format("neorl", (".npz",), "neorl", "NeoRL's and NeoRL-2's files; columns only"),
    Format("ogbench", (".npz",), "ogbench", "OGBench's files; columns only"),
    Format("minari", (), "minari", "a Minari data set: a folder, or minari:NAME"),
    Format("episodes", (), "episodes", "a folder with an npz per episode, as V-D4RL's and RL Unplugged's"),
    Format("rows", (".rows",), "rows", "a folder of a .npy per column, streamed while training; holds everything"),
    Format("pickle", (".pkl", ".pickle", ".p"), "pickles", "old pickles of arrays, read without unpickling", False),
)
FOLDERS = ("minari", "episodes", "rows")  # the first is the one whose complaint is read where none fits
ENDINGS = tuple(dict.fromkeys(ending for each in FORMATS for ending in each.endings))


def named(name: str) -> Format:
    """The format of that name. Raises BadInput with near names."""
    found = {each.name: each for each in FORMATS}
    if name not in found:
        raise unknown("format", name, found)
    return found[name]


def for_writing(path: Path) -> Format:
    """The format that a path's ending asks for. Raises BadInput where there is none."""
    found = [each for each in FORMATS if path.suffix.lower() in each.endings]
    if not found:
        folders = ", ".join(each.name for each in FORMATS if not each.endings)
        said = f"its ending {path.suffix!r} names no format" if path.suffix else "has no ending that names a format"
        endings = dict.fromkeys(ending for each in FORMATS if each.writes for ending in each.endings)
        raise BadInput(str(path), said, ", ".join(endings), f"or name the format: {folders} are folders")
    return found[0]


def of(path: Path) -> Format:
    """The format of a file or a folder, by its ending and the names in it. Raises BadInput where none fits."""
    if path.is_dir():
        folders = [each for each in FORMATS if each.name in FOLDERS]
        names = {file.name for file in path.iterdir()}
        return next((each for each in folders if each.recognizes(names)), folders[0])
    with path.open("rb") as file:
        if file.read(1) == b"\x80":  # no other format begins so
            return named("pickle")
    found = [each for each in FORMATS if path.suffix.lower() in each.endings]
    if not found:
        raise BadInput(str(path), f"its format {path.suffix!r} is not known", ", ".join(ENDINGS))
    if len(found) == 1:
        return found[0]
    names = _names_in(path)
    return next((each for each in found[1:] if each.recognizes(names)), found[0])


def _names_in(path: Path) -> set[str]:
    """The names at the top of an npz or HDF5 file; none where it is damaged, which its reader then says."""
    try:
        if path.suffix.lower() == ".npz":
            with zipfile.ZipFile(path) as archive:
                return {name.removesuffix(".npy") for name in archive.namelist()}
        import h5py

        with h5py.File(path, "r") as file:
            return set(file)
    except (OSError, RuntimeError, KeyError, zipfile.BadZipFile):
        return set()
