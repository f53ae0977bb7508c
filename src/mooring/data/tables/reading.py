"""Tables from memory or from files, as one run of rows that remembers where each row stands."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, partial
from glob import glob
from itertools import accumulate
from operator import index
from pathlib import Path
from typing import TYPE_CHECKING, Any, SupportsIndex

from mooring.errors import BadInput, missing_extra

if TYPE_CHECKING:
    import pyarrow as pa

ONE_BLOCK = 2**31 - 1  # bytes: the most that Arrow reads at once
IN_MEMORY = "table"


@dataclass(frozen=True)
class Part:
    """One table: what errors call it, its columns, and how some of them are read."""

    name: str
    columns: tuple[str, ...]
    read: Callable[[list[str]], pa.Table]


@dataclass(frozen=True)
class Table:
    """Chosen columns of N rows; `parts` are the names and the numbers of rows of what they came from."""

    columns: dict[str, pa.ChunkedArray]
    parts: tuple[tuple[str, int], ...]

    @cached_property
    def starts(self) -> list[int]:
        return [0, *accumulate(rows for _, rows in self.parts)]

    @property
    def name(self) -> str:
        return ", ".join(name for name, _ in self.parts[:2]) + (", ..." if len(self.parts) > 2 else "")

    def __len__(self) -> int:
        return self.starts[-1]

    def place(self, row: SupportsIndex) -> str:
        """Where a row stands: its file, and its number there, from 0."""
        part = bisect_right(self.starts, index(row)) - 1
        return f"{self.parts[part][0]}, row {index(row) - self.starts[part]}"


def opened(table: Any) -> list[Part]:
    """The parts of what `from_table` takes, of which nothing but the names of columns is read yet."""
    if isinstance(table, str | Path):
        return [_file(path) for path in _paths(table)]
    if isinstance(table, Sequence) and table and all(isinstance(each, str | Path) for each in table):
        return [_file(path) for pattern in table for path in _paths(pattern)]
    return [_in_memory(table)]


def joined(parts: Sequence[Part], columns: Sequence[str]) -> Table:
    """The named columns of all parts, end to end. Raises BadInput where the parts do not fit together."""
    for part in parts:
        lacking = [name for name in columns if name not in part.columns]
        if lacking:
            raise BadInput(part.name, f"lacks column {lacking[0]}, which {parts[0].name} has")
    tables = [part.read(list(columns)) for part in parts]
    sizes = tuple((part.name, table.num_rows) for part, table in zip(parts, tables, strict=True))
    whole = Table({name: _end_to_end(name, parts, tables) for name in columns}, sizes)
    if not len(whole):
        raise BadInput(whole.name, "no rows", "at least one step")
    return whole


def _end_to_end(name: str, parts: Sequence[Part], tables: Sequence[pa.Table]) -> pa.ChunkedArray:
    import pyarrow as pa

    try:
        return pa.concat_tables([table.select([name]) for table in tables], promote_options="permissive").column(0)
    except pa.ArrowException as error:
        types = [str(table.schema.field(name).type) for table in tables]
        other = next(index for index, each in enumerate(types) if each != types[0])
        found = f"column {name} holds {types[other]}, and {parts[0].name} has {types[0]}"
        raise BadInput(parts[other].name, found, "one type in every file") from error


def _in_memory(table: Any) -> Part:
    if not isinstance(table, Mapping) and not hasattr(table, "__arrow_c_stream__"):
        expected = "a pandas, Polars or Arrow table, a dict of columns, or paths of CSV or Parquet files"
        raise BadInput(IN_MEMORY, f"is of type {type(table).__name__}", expected)
    with _arrow(IN_MEMORY):
        import pyarrow as pa

        arrow = pa.table(dict(table) if isinstance(table, Mapping) else table)
        return _part(IN_MEMORY, arrow.column_names, arrow.select)


def _paths(pattern: str | Path) -> list[Path]:
    """The file itself, or the files that a glob pattern finds, sorted."""
    path = Path(pattern).expanduser()
    found = [path] if path.is_file() else [Path(name) for name in sorted(glob(str(path)))]
    if not found:
        raise BadInput(str(pattern), "no such file")
    return found


def _file(path: Path) -> Part:
    readers: dict[str, Callable[[Path], Part]] = {
        ".csv": partial(_csv, delimiter=","),
        ".tsv": partial(_csv, delimiter="\t"),
        ".parquet": _parquet,
    }
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise BadInput(str(path), f"its format {path.suffix!r} is not a table's", ", ".join(readers))
    with _arrow(str(path)):
        return reader(path)


def _parquet(path: Path) -> Part:
    from pyarrow.parquet import ParquetFile

    def read(columns: list[str]) -> pa.Table:
        with _arrow(str(path)), ParquetFile(path) as file:
            return file.read(columns)

    with ParquetFile(path) as file:
        return _part(str(path), file.schema_arrow.names, read)


def _csv(path: Path, delimiter: str) -> Part:
    import pyarrow as pa
    from pyarrow import csv

    parse = csv.ParseOptions(delimiter=delimiter)
    whole = csv.ReadOptions(use_threads=False, block_size=min(path.stat().st_size + 1, ONE_BLOCK))

    def read(columns: list[str]) -> pa.Table:
        """Types are inferred from the first block; where a later one breaks with them, from the whole file."""
        convert = csv.ConvertOptions(include_columns=columns, strings_can_be_null=True)
        try:
            return csv.read_csv(path, parse_options=parse, convert_options=convert)
        except pa.ArrowInvalid:
            with _arrow(str(path)):
                return csv.read_csv(path, whole, parse, convert)

    with csv.open_csv(path, csv.ReadOptions(use_threads=False), parse) as file:
        return _part(str(path), file.schema.names, read)


def _part(name: str, columns: Sequence[str], read: Callable[[list[str]], pa.Table]) -> Part:
    twice = [column for column in dict.fromkeys(columns) if columns.count(column) > 1]
    if twice:
        raise BadInput(name, f"has several columns named {twice[0]!r}", "different names")
    return Part(name, tuple(columns), read)


@contextmanager
def _arrow(where: str) -> Iterator[None]:
    """Arrow's complaints as ours, its absence among them."""
    try:
        import pyarrow as pa
    except ImportError as error:
        raise missing_extra("pyarrow", "table", "reading a table") from error
    try:
        yield
    except (pa.ArrowException, OSError, TypeError) as error:
        raise BadInput(where, f"can not be read ({' '.join(str(error).split())})") from error
