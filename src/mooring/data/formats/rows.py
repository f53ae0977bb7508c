"""A folder of rows: each column a plain .npy file, for data that is larger than memory.

obs.npy, action.npy, reward.npy, next_obs.npy, continues.npy, last.npy, extra/NAME.npy (parts of dicts: obs/PART.npy)
ends.npy, returns.npy   the last row and the return of each episode
rows.json               names, spaces, the columns' forms, means and standard deviations

The rows are checked while they are written, and what training has to know of all of them is computed then, so that
opening a folder takes no longer for more rows. `write_rows` makes one from episodes as they come.
"""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from mooring.data.dataset import Dataset, joint_fingerprint
from mooring.data.episodes import Episode
from mooring.data.formats.meta import from_json, to_json
from mooring.data.landing import landing
from mooring.data.mapped import MappedDataset, Statistics
from mooring.data.spaces import DataSpace, Discrete, ObsSpace
from mooring.errors import BadInput

ABOUT = "rows.json"
HEADER = 256  # bytes before the first row of each .npy file: room for any shape, a multiple of 64
SLICE = 2**26  # bytes of a data set that are written at once


def recognizes(names: Collection[str]) -> bool:
    return ABOUT in names


def read(path: Path, **meta: Any) -> MappedDataset:
    """The data set in a folder, its columns mapped and not read. `meta`: name, env, score_range, horizon.

    Raises BadInput where a file is missing, has been cut off or is of another form than rows.json says.
    """
    if spaces := sorted({"obs_space", "action_space"} & set(meta)):
        raise BadInput(str(path), f"its {spaces[0]} is known", fix=f"leave {spaces[0]} out")
    try:
        about = json.loads((path / ABOUT).read_text())
        forms = {name: (dtype, (about["rows"], *shape)) for name, (dtype, shape) in about["columns"].items()}
        moments = {name: (np.array(mean), np.array(std)) for name, (mean, std) in about["moments"].items()}
        fingerprint, stored = str(about["fingerprint"]), json.dumps(about["meta"])
    except FileNotFoundError:
        raise BadInput(str(path), f"has no {ABOUT}", "a folder of rows, as `mooring data convert` writes") from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadInput(str(path / ABOUT), f"is damaged ({type(error).__name__}: {error})") from error
    columns = {name: _mapped(path, name, *form) for name, form in forms.items()}
    statistics = Statistics(_array(path, "ends"), _array(path, "returns"), moments, fingerprint)
    return MappedDataset(**_nested(columns), **from_json(stored, str(path)) | meta, folder=path, statistics=statistics)


def write(data: Dataset, path: Path) -> None:
    """The data set as a folder."""
    path.mkdir()
    with ExitStack() as stack:
        writer = RowsWriter(path, stack)
        for part in _slices(data):
            writer.append(part)
        writer.finish()


@contextmanager
def write_rows(path: str | Path, **meta: Any) -> Iterator[RowsWriter]:
    """Writes a folder of rows from episodes as they come; it appears at the end, whole, or after an error not at all.

        with write_rows("big.rows", env="Hopper-v5") as rows:
            for episodes in my_log:
                rows.append(episodes)

    `meta` is what `Dataset.build` takes beside columns. Raises BadInput where the path exists.
    """
    path = Path(path).expanduser()
    if path.exists():
        raise BadInput(str(path), "is there already", fix="choose another name")
    with landing(path) as part, ExitStack() as stack:
        part.mkdir()
        writer = RowsWriter(part, stack, {"name": path.stem, **meta, "where": str(path)})
        yield writer
        writer.finish()


class RowsWriter:
    """Appends rows to the columns of a folder and keeps count of what they are."""

    def __init__(self, folder: Path, stack: ExitStack, meta: dict[str, Any] | None = None) -> None:
        self._folder, self._stack, self._meta = folder, stack, meta or {}
        self._where = self._meta.get("where", str(folder))
        self._form: Dataset | None = None  # of the first rows, with what later ones widened
        self._columns: dict[str, Column] = {}
        self._ends: list[np.ndarray] = []
        self._returns: list[np.ndarray] = []
        self.rows = 0

    def append(self, more: Dataset | Sequence[Episode]) -> None:
        """Checks whole episodes and writes them. Raises BadInput where they are wrong or unlike the first ones."""
        data = more if isinstance(more, Dataset) else Dataset.from_episodes(more, **self._meta)
        if self._form is None:
            known = {name: self._meta[name] for name in ("name", "env", "score_range") if name in self._meta}
            self._form = replace(data, **known, horizon=max(data.horizon, self._meta.get("horizon") or 0))
            for name, column in data.columns().items():
                file = self._folder / f"{name}.npy"
                file.parent.mkdir(exist_ok=True)
                self._columns[name] = Column(self._stack.enter_context(file.open("wb")), column.dtype, column.shape[1:])
        self._form = self._widened(self._form, data)
        for name, column in data.columns().items():
            self._columns[name].append(column)
        self._ends.append(data.ends + self.rows)
        self._returns.append(data.returns)
        self.rows += len(data)

    def finish(self) -> None:
        """Writes what is known of all rows. Raises BadInput where there are none."""
        if self._form is None:
            raise BadInput(self._where, "no rows", "at least one episode")
        for column in self._columns.values():
            column.finish()
        np.save(self._folder / "ends.npy", np.concatenate(self._ends))
        np.save(self._folder / "returns.npy", np.concatenate(self._returns))
        forms = {name: [column.dtype.str, list(column.shape)] for name, column in self._columns.items()}
        about = {
            "rows": self.rows,
            "columns": forms,
            "moments": {name: each.moments.described() for name, each in self._columns.items() if each.moments},
            "fingerprint": self._fingerprint(),
            "meta": json.loads(to_json(self._form)),
        }
        (self._folder / ABOUT).write_text(json.dumps(about, indent=1))

    def _fingerprint(self) -> str:
        columns = self._columns.items()
        return joint_fingerprint({name: (c.dtype, (c.rows, *c.shape), c.digest.hexdigest()) for name, c in columns})

    def _widened(self, form: Dataset, data: Dataset) -> Dataset:
        """The form of both: the longest horizon, the largest of discrete spaces."""
        found = {name: (column.dtype, column.shape[1:]) for name, column in data.columns().items()}
        for name, own in {name: (c.dtype, c.shape) for name, c in self._columns.items()}.items():
            if found.pop(name, None) != own:
                raise BadInput(
                    f"{self._where}, from row {self.rows}", f"{name} is missing or of another form", str(own)
                )
        if found:
            raise BadInput(f"{self._where}, from row {self.rows}", f"has {sorted(found)[0]} too", "the same columns")
        return replace(
            form,
            horizon=max(form.horizon, data.horizon),
            obs_space=_wider(form.obs_space, data.obs_space),
            action_space=_wider(form.action_space, data.action_space),
        )


@dataclass
class Moments:
    """Mean and standard deviation of rows that come in parts, by Chan, Golub and LeVeque (1979), in float64."""

    count: int = 0
    mean: Any = 0.0
    squares: Any = 0.0  # the sum of squared differences from the mean

    def append(self, rows: np.ndarray) -> None:
        mean = rows.mean(axis=0, dtype=np.float64)
        squares = np.square(rows - mean).sum(axis=0)
        count, apart = self.count + len(rows), mean - self.mean
        self.squares = self.squares + squares + np.square(apart) * (self.count * len(rows) / count)
        self.mean = self.mean + apart * (len(rows) / count)
        self.count = count

    def described(self) -> tuple[Any, Any]:
        std = np.sqrt(self.squares / self.count)
        return np.asarray(self.mean).tolist(), np.asarray(std).tolist()


@dataclass
class Column:
    """A .npy file that grows: its header, which says how many rows follow, is written last."""

    file: BinaryIO
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    rows: int = 0
    digest: Any = field(default_factory=hashlib.sha256)
    moments: Moments | None = None

    def __post_init__(self) -> None:
        self.file.write(bytes(HEADER))
        if self.dtype.kind == "f":
            self.moments = Moments()

    def append(self, rows: np.ndarray) -> None:
        whole = np.ascontiguousarray(rows)
        self.file.write(whole.data)
        self.digest.update(whole.data)
        if self.moments:
            self.moments.append(whole)
        self.rows += len(whole)

    def finish(self) -> None:
        about = {"descr": self.dtype.str, "fortran_order": False, "shape": (self.rows, *self.shape)}
        text = repr(about).encode("latin1")
        start = b"\x93NUMPY\x01\x00" + struct.pack("<H", HEADER - 10)
        self.file.seek(0)
        self.file.write(start + text.ljust(HEADER - len(start) - 1) + b"\n")


def _wider(one: ObsSpace, other: ObsSpace) -> Any:
    if isinstance(one, dict) and isinstance(other, dict):
        return {part: _one_wider(one[part], other[part]) for part in one}
    assert not isinstance(one, dict)
    assert not isinstance(other, dict)
    return _one_wider(one, other)


def _one_wider(one: DataSpace, other: DataSpace) -> DataSpace:
    return Discrete(max(one.n, other.n)) if isinstance(one, Discrete) and isinstance(other, Discrete) else one


def _slices(data: Dataset) -> Iterator[Dataset]:
    """Whole episodes, of about `SLICE` bytes at a time."""
    width = sum(column.dtype.itemsize * int(np.prod(column.shape[1:])) for column in data.columns().values())
    slice_of_episode = data.ends * width // SLICE
    for number in np.unique(slice_of_episode):
        yield data.select(np.flatnonzero(slice_of_episode == number))


def _array(path: Path, name: str, mode: Any = None) -> np.ndarray:
    file = path / f"{name}.npy"
    try:
        array: np.ndarray = np.load(file, mmap_mode=mode, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise BadInput(str(file), f"is missing or damaged ({error})", "a whole file") from error
    return array


def _mapped(path: Path, name: str, dtype: str, shape: tuple[int, ...]) -> np.ndarray:
    array = _array(path, name, "r")
    if (array.dtype.str, array.shape) != (dtype, shape):
        found, wanted = f"is {array.dtype.str}{list(array.shape)}", f"{dtype}{list(shape)}"
        raise BadInput(str(path / f"{name}.npy"), found, f"{wanted}, as {ABOUT} says")
    return array


def _nested(columns: dict[str, np.ndarray]) -> dict[str, Any]:
    """The columns by the fields of a data set; parts of dicts under their own names."""
    nested: dict[str, Any] = {"extra": {}}
    for name, column in columns.items():
        group, _, part = name.partition("/")
        if part:
            nested[group] = {**nested.get(group, {}), part: column}
        else:
            nested[name] = column
    return nested
