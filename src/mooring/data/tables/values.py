"""Columns of a table as numbers, categories, flags or times; what is missing stays apart from what is there."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from mooring.data.tables.reading import Table
from mooring.errors import BadInput

if TYPE_CHECKING:
    import pyarrow as pa

MOST_CATEGORIES = 256  # ours: a column with more different texts is rather an identifier


class Column(NamedTuple):
    """One column: `values` (N,) in float64, NaN where missing. Of a categorical one they are codes of `categories`."""

    name: str
    values: np.ndarray
    categories: tuple[str, ...] | None  # sorted
    whole: bool  # its type knows whole numbers only


class Times(NamedTuple):
    """Times (N,): int64 or float64, and how many of their units make a second, or None where they are plain numbers."""

    values: np.ndarray
    per_second: int | None


def column(table: Table, name: str, categorical: bool = False) -> Column:
    """Numbers and booleans as they are, text (or any column, where it is asked for) as codes of its sorted values."""
    if categorical or _is_text(table.columns[name].type):
        return _categorical(table, name, categorical)
    return numeric(table, name)


def numeric(table: Table, name: str) -> Column:
    """A column of numbers or booleans."""
    import pyarrow as pa

    kind = table.columns[name].type
    return Column(name, numbers(table, name), None, pa.types.is_integer(kind) or pa.types.is_boolean(kind))


def numbers(table: Table, name: str) -> np.ndarray:
    """A column (N,) in float64, NaN where it is missing. Raises BadInput for other kinds, and for infinities."""
    import pyarrow as pa
    import pyarrow.compute as pc

    data, types = table.columns[name], pa.types
    kind = data.type
    numeric = types.is_floating(kind) or types.is_integer(kind) or types.is_boolean(kind) or types.is_decimal(kind)
    if not numeric and not types.is_null(kind):
        raise BadInput(table.name, f"column {name} holds {kind}", "numbers")
    values = pc.cast(data, pa.float64(), safe=False).to_numpy()
    large = np.flatnonzero(np.abs(values) > np.finfo(np.float32).max)
    if len(large):
        found = f"column {name} is {values[large[0]]:g} ({len(large)} such rows)"
        raise BadInput(table.place(large[0]), found, "a number that float32 holds")
    return values


def flags(table: Table, name: str) -> np.ndarray:
    """A column (N,) of 0 and 1 in float64, NaN where it is missing."""
    values = numbers(table, name)
    bad = np.flatnonzero((values != 0) & (values != 1) & ~np.isnan(values))
    if len(bad):
        raise BadInput(table.place(bad[0]), f"column {name} is {values[bad[0]]:g}", "0 or 1, or true or false")
    return values


def codes(table: Table, name: str) -> tuple[np.ndarray, list[object]]:
    """For each row the place of its value among the sorted values, -1 where it is missing; and those values."""
    import pyarrow as pa
    import pyarrow.compute as pc

    data = _plain(table.columns[name])
    if pa.types.is_floating(data.type):
        data = pc.if_else(pc.is_nan(data), None, data)
    try:
        encoded = data.combine_chunks().dictionary_encode()
        order = pc.array_sort_indices(encoded.dictionary).to_numpy()
    except pa.ArrowException as error:
        raise BadInput(table.name, f"column {name} holds {data.type}", "numbers or text") from error
    place = np.empty(len(order) + 1, np.int64)
    place[order], place[-1] = np.arange(len(order)), -1
    row_codes = place[encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False)]
    return row_codes, encoded.dictionary.take(pa.array(order)).to_pylist()


def times(table: Table, name: str) -> Times:
    """A column of numbers, dates, timestamps, durations or ISO 8601 text. Raises BadInput where one is missing."""
    import pyarrow as pa

    data, types = _plain(table.columns[name]), pa.types
    if data.null_count:
        row = int(np.argmax(data.is_null().to_numpy()))
        raise BadInput(table.place(row), f"column {name} is missing", "a time in every row")
    if _is_text(data.type):
        data = _parsed(table, name, data)
    if types.is_date(data.type):
        data = data.cast(pa.timestamp("s"))
    if types.is_timestamp(data.type) or types.is_duration(data.type):
        per_second = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[data.type.unit]
        return Times(data.cast(pa.int64()).to_numpy(), per_second)
    if types.is_integer(data.type):
        return Times(data.cast(pa.int64()).to_numpy(), None)
    values = numbers(table, name)
    missing = np.flatnonzero(np.isnan(values))
    if len(missing):
        raise BadInput(table.place(missing[0]), f"column {name} is NaN", "a time in every row")
    return Times(values, None)


def _parsed(table: Table, name: str, text: pa.ChunkedArray) -> pa.ChunkedArray:
    import pyarrow as pa

    kinds = [pa.timestamp(unit, zone) for unit in ("us", "ns") for zone in (None, "UTC")]
    for kind in kinds:
        try:
            return text.cast(kind)
        except pa.ArrowInvalid:
            continue
    row = next((row for row, one in enumerate(text) if not _any_cast(one, kinds)), None)
    if row is None:
        raise BadInput(table.name, f"column {name} gives a time zone in some rows", "one in every row, or in none")
    found = f"column {name} is {text[row].as_py()!r}"
    raise BadInput(table.place(row), found, "a number or an ISO 8601 time, as 2026-03-01 08:30:00")


def _any_cast(text: pa.Scalar, kinds: list[pa.DataType]) -> bool:
    import pyarrow as pa

    for kind in kinds:
        try:
            text.cast(kind)
        except pa.ArrowInvalid:
            continue
        return True
    return False


def _categorical(table: Table, name: str, asked: bool) -> Column:
    row_codes, values = codes(table, name)
    if not asked:
        _check_is_text(table, name, row_codes, [str(value) for value in values])
    if len(values) > MOST_CATEGORIES:
        found = f"column {name} has {len(values)} different values"
        raise BadInput(table.name, found, f"at most {MOST_CATEGORIES} categories", "is it an identifier?")
    categories = tuple(f"{value:g}" if isinstance(value, float) else str(value) for value in values)
    return Column(name, np.where(row_codes < 0, np.nan, row_codes), categories, False)


def _check_is_text(table: Table, name: str, row_codes: np.ndarray, values: list[str]) -> None:
    """Text that is partly numbers is rather a column of numbers with a slip in it."""
    numeric = np.array([_is_number(value) for value in values], bool)
    if not numeric.any():
        return
    fix = f"if they are categories, say that {name} is categorical"
    if numeric.all():
        raise BadInput(table.name, f"column {name} holds numbers written as text", "numbers", fix)
    row = int(np.argmax(np.append(~numeric, False)[row_codes]))
    found = f"column {name} is {values[row_codes[row]]!r}, while other rows hold numbers"
    raise BadInput(table.place(row), found, "a number", fix)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _is_text(kind: pa.DataType) -> bool:
    import pyarrow as pa

    types = pa.types
    if types.is_dictionary(kind):
        return _is_text(kind.value_type)
    return types.is_string(kind) or types.is_large_string(kind) or str(kind) == "string_view"


def _plain(data: pa.ChunkedArray) -> pa.ChunkedArray:
    """Without a dictionary, and text in one form."""
    import pyarrow as pa

    kind = data.type.value_type if pa.types.is_dictionary(data.type) else data.type
    kind = pa.large_string() if _is_text(kind) else kind
    if pa.types.is_dictionary(data.type):
        return pa.chunked_array([chunk.dictionary.cast(kind).take(chunk.indices) for chunk in data.chunks], kind)
    return data.cast(kind)
