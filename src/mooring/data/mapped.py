"""`MappedDataset`: a data set whose columns stay in files, for data that is larger than memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int, Shaped

from mooring.data.dataset import Dataset
from mooring.errors import BadInput


@dataclass(frozen=True, eq=False)
class Statistics:
    """What was computed while the rows were written, so that nobody has to read them all for it."""

    ends: Int[np.ndarray, " E"]
    returns: Shaped[np.ndarray, " E"]
    moments: dict[str, tuple[np.ndarray, np.ndarray]]  # of each column of floats: mean and standard deviation
    fingerprint: str


@dataclass(frozen=True, eq=False, repr=False)
class MappedDataset(Dataset):
    """A data set whose columns are memory maps of the files in `folder`, one for each, that were checked when written.

    Everything that a data set can do works; what asks for whole columns reads them. Training reads them block by block
    (`sources.Streamed`), and selected episodes are a plain data set in memory. Columns can not be replaced.
    """

    folder: Path = field(kw_only=True)
    statistics: Statistics = field(kw_only=True)

    def __post_init__(self) -> None:
        rows = int(self.statistics.ends[-1]) + 1
        for name, column in self.columns().items():
            if not (isinstance(column, np.memmap) and column.flags.c_contiguous and len(column) == rows):
                fix = "select episodes of it, which are then in memory, and change those"
                raise BadInput(self.name, f"its {name} lies in a file and can not be replaced", fix=fix)

    @cached_property
    def ends(self) -> Int[np.ndarray, " E"]:
        return self.statistics.ends

    @cached_property
    def returns(self) -> Shaped[np.ndarray, " E"]:
        return self.statistics.returns

    def moments(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        return self.statistics.moments[name]

    def fingerprint(self) -> str:
        return self.statistics.fingerprint

    def select(self, episodes: Sequence[int] | np.ndarray) -> Dataset:
        return self._plain().select(episodes)

    def rows(self, start: int, stop: int) -> Dataset:
        """The rows from `start` to before `stop`, read into memory.

        They are read from the files and not through the maps, whose pages would count as this process's memory.
        """
        part = Part(self, start, stop)
        names = ("obs", "action", "reward", "next_obs", "continues", "last", "extra")
        return self._plain(**{name: part.column(name) for name in names})

    def _plain(self, **changes: Any) -> Dataset:
        own = {each.name: getattr(self, each.name) for each in fields(Dataset)}
        return Dataset(**own | changes)


@dataclass(frozen=True)
class Part:
    """Some rows of a mapped data set's files."""

    data: MappedDataset
    start: int
    stop: int

    def column(self, name: str) -> Any:
        """The part of a column, or of each array of a dict."""
        column = getattr(self.data, name)
        if isinstance(column, dict):
            return {part: self._read(f"{name}/{part}", array) for part, array in column.items()}
        return self._read(name, column)

    def _read(self, name: str, column: np.memmap[Any, Any]) -> np.ndarray:
        shape = (self.stop - self.start, *column.shape[1:])
        width = column.dtype.itemsize * int(np.prod(column.shape[1:]))
        offset, count = column.offset + self.start * width, int(np.prod(shape))
        return np.fromfile(self.data.folder / f"{name}.npy", column.dtype, count, offset=offset).reshape(shape)
