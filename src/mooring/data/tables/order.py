"""The rows of a table in the order in which they were lived."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from operator import index
from typing import SupportsIndex

import numpy as np

from mooring.data.tables.missing import Rules
from mooring.data.tables.reading import Table
from mooring.data.tables.values import Times, codes, flags, times
from mooring.errors import BadInput

SECONDS = {"s": 1, "min": 60, "h": 3600, "d": 86400, "w": 604800}


@dataclass(frozen=True)
class Order:
    """N of a table's rows, episode after episode: `rows` are their places in it, `last` ends an episode."""

    table: Table
    rows: np.ndarray
    last: np.ndarray
    terminated: np.ndarray
    times: Times | None
    episode: str | None

    @cached_property
    def first(self) -> np.ndarray:
        """(N,) the first row of each row's episode."""
        starts = np.append(True, self.last[:-1])
        return np.maximum.accumulate(np.where(starts, np.arange(len(self.rows)), 0))

    @property
    def counted(self) -> np.ndarray:
        """(N,) whether it is known what followed: false for the last rows of episodes that did not terminate."""
        return self.terminated | ~self.last

    def place(self, row: SupportsIndex) -> str:
        """Where the row of the episodes stands in the table, and its episode."""
        at = int(self.rows[index(row)])
        own = f" ({self.episode} {self.table.columns[self.episode][at].as_py()})" if self.episode else ""
        return self.table.place(at) + own

    def without_episodes_of(self, bad: np.ndarray) -> Order:
        """Without the episodes of the rows (N,) that are bad. Raises BadInput where none is left."""
        spoiled = np.zeros(len(self.rows), bool)
        spoiled[self.first[bad]] = True
        keep = ~spoiled[self.first]
        if not keep.any():
            raise BadInput(self.table.name, "every episode was dropped for a missing value")
        own = None if self.times is None else Times(self.times.values[keep], self.times.per_second)
        picked = {name: getattr(self, name)[keep] for name in ("rows", "last", "terminated")}
        return replace(self, times=own, **picked)


def ordered(
    table: Table, episode: str | None, time: str | None, terminated: str | bool, truncated: str | None, rules: Rules
) -> Order:
    """Rows by episode, then by time; in the table's order where there is no such column.

    An episode is what shares a value of `episode`; without that column, what ends at a terminated or truncated row.
    Raises BadInput where two rows of an episode have one time, and where an episode goes on after it terminated.
    """
    number = np.zeros(len(table), np.int64) if episode is None else _episodes(table, episode)
    when = None if time is None else times(table, time)
    rows = np.lexsort((number,) if when is None else (when.values, number))
    number = number[rows]
    when = when and Times(when.values[rows], when.per_second)
    change = np.append(number[1:] != number[:-1], True)
    ended = _flags(table, terminated, rules)[rows] if isinstance(terminated, str) else change & terminated
    cut = np.zeros(len(rows), bool) if truncated is None else _flags(table, truncated, rules)[rows]
    order = Order(table, rows, change | ended | cut, ended, when, episode)
    if when is not None:
        _check_times(order, change, episode, str(time))
    if episode is not None:
        _check_ends(order, change, str(terminated))
    return order


def _episodes(table: Table, name: str) -> np.ndarray:
    number, _ = codes(table, name)
    missing = np.flatnonzero(number < 0)
    if len(missing):
        raise BadInput(table.place(missing[0]), f"column {name} is missing", "the episode of every row")
    return number


def _flags(table: Table, name: str, rules: Rules) -> np.ndarray:
    values = flags(table, name)
    missing = np.flatnonzero(np.isnan(values))
    if len(missing) and "zero" not in rules.of_other(name):
        fix = f"if that means 0: missing '{name}=zero'"
        raise BadInput(table.place(missing[0]), f"column {name} is missing", "0 or 1", fix)
    return values == 1


def _check_times(order: Order, change: np.ndarray, episode: str | None, time: str) -> None:
    assert order.times is not None
    tied = np.flatnonzero((np.diff(order.times.values) == 0) & ~change[:-1])
    if len(tied):
        one, other = order.place(tied[0]), order.place(tied[0] + 1)
        found = f"column {time} has the same value as in {one}" + (", in one episode" if episode else "")
        fix = "merge such rows, or give a column that tells their order" if episode else "name the episode column"
        raise BadInput(other, found, f"one row for each time ({len(tied)} such pairs)", fix)


def _check_ends(order: Order, change: np.ndarray, terminated: str) -> None:
    early = np.flatnonzero(order.terminated & ~change)
    if len(early):
        found = f"column {terminated} says that the episode terminated, but later rows follow ({len(early)} such rows)"
        fix = "if the column tells how the whole episode ended, keep it in the last row alone"
        raise BadInput(order.place(early[0]), found, "1 in an episode's last row alone", fix)


def steps_between(order: Order, step: float | int | str, name: str) -> np.ndarray:
    """(N,) the steps of time from each row to the episode's next; 1 at its last row, where nothing follows."""
    assert order.times is not None
    unit = _units(step, order.times, f"step {step!r}", name)
    elapsed = np.append(np.diff(order.times.values), 0) / unit
    elapsed[order.last] = 1
    short = np.flatnonzero(elapsed < 1 - 1e-6)
    if len(short):
        found = f"{elapsed[short[0]]:g} steps before the next row ({len(short)} rows are nearer than one step)"
        fix = f"give a step of at most {elapsed.min():g} times this length"
        raise BadInput(order.place(short[0]), found, "at least one step", fix)
    return np.maximum(elapsed, 1)


def _units(step: float | int | str, when: Times, where: str, name: str) -> float:
    """The length of a step in the units of the times: a plain number, or a duration such as "1h" or "30min"."""
    text = str(step).strip()
    digits = text.rstrip("abcdefghijklmnopqrstuvwxyz")
    unit = text[len(digits) :]
    try:
        size = float(digits)
    except ValueError:
        size = 0.0
    if size <= 0 or (unit and unit not in SECONDS):
        expected = f"a positive number, followed by one of {', '.join(SECONDS)} where the times are dates"
        raise BadInput(where, "is no length of time", expected)
    if bool(unit) != (when.per_second is not None):
        fix = "give a plain number in its unit" if unit else f"add its unit, one of {', '.join(SECONDS)}"
        raise BadInput(where, f"column {name} holds {'numbers' if unit else 'dates or durations'}", fix=fix)
    return size * SECONDS[unit] * (when.per_second or 1) if unit else size
