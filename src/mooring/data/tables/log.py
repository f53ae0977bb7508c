"""A table's columns in the order of its episodes, with what is missing filled as was asked."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from mooring.data.tables.missing import Rules, filled
from mooring.data.tables.order import Order
from mooring.data.tables.values import Column
from mooring.errors import BadInput

Say = Callable[[str], object]


@dataclass(frozen=True)
class Log:
    """`columns` are as in the table; `order` has the N rows that are used; `say` is told what is filled."""

    order: Order
    columns: dict[str, Column]
    rules: Rules
    say: Say

    def values(self, name: str) -> np.ndarray:
        """A column (N,), NaN where it is missing."""
        return self.columns[name].values[self.order.rows]

    def without_spoiled_episodes(self, obs: Iterable[str], others: Iterable[str]) -> Log:
        """Without the episodes that miss a value, in columns whose rule says so."""
        bad = np.zeros(len(self.order.rows), bool)
        for name in obs:
            if "drop-episode" in self.rules.of_obs(name):
                bad |= np.isnan(self.values(name))
        for name in others:
            if "drop-episode" in self.rules.of_other(name):
                bad |= np.isnan(self.values(name)) & self.order.counted
        if not bad.any():
            return self
        dropped = np.unique(self.order.first[bad])
        self.say(f"left out {len(dropped):,} episodes that miss a value")
        return replace(self, order=self.order.without_episodes_of(bad))

    def features(self, names: Sequence[str]) -> tuple[np.ndarray, list[str]]:
        """Observations (N, O) float32, and the label of each entry."""
        parts, labels = [], []
        for name in names:
            steps, missing = self.rules.of_obs(name), np.isnan(self.values(name))
            part, own = _entries(self.columns[name], self.values(name))
            parts.append(self._filled(name, part, steps, np.ones(len(part), bool)))
            labels += own
            if "indicator" in steps:
                parts.append(missing[:, None].astype(np.float32))
                labels.append(f"{name} missing")
        return np.concatenate(parts, axis=1, dtype=np.float32), labels

    def other(self, name: str, needed: np.ndarray) -> np.ndarray:
        """A column (N,) that is no observation; it may be missing in rows that are not needed, and is 0 there."""
        steps = self.rules.of_other(name)
        if self.columns[name].categories and {"mean", "zero"} & set(steps):
            raise BadInput(f"missing values of {name}", "text has no mean and no zero", "forward or drop-episode")
        return np.nan_to_num(self._filled(name, self.values(name)[:, None], steps, needed)[:, 0])

    def _filled(self, name: str, values: np.ndarray, steps: Sequence[str], needed: np.ndarray) -> np.ndarray:
        missing = np.isnan(values[:, 0])
        if not missing.any():
            return values
        values = filled(values, steps, self.order.first)
        left = np.flatnonzero(np.isnan(values[:, 0]) & needed)
        if len(left):
            raise self._missing(name, left)
        if count := int((missing & needed).sum()):
            self.say(f"{name}: filled {count:,} missing values by {'+'.join(steps)}")
        return values

    def _missing(self, name: str, rows: np.ndarray) -> BadInput:
        found = f"column {name} is missing ({len(rows):,} such rows)"
        fix = f"say what to do about it: missing '{name}=forward+mean', for one"
        return BadInput(self.order.place(rows[0]), found, "a value", fix)


def _entries(column: Column, values: np.ndarray) -> tuple[np.ndarray, list[str]]:
    """The entries (N, K) of one column of observations: its numbers, or a 1 among zeros for each category."""
    if column.categories is None:
        return values[:, None].astype(np.float32), [column.name]
    entries = (values[:, None] == np.arange(len(column.categories))[None]).astype(np.float32)
    entries[np.isnan(values)] = np.nan
    return entries, [f"{column.name}={category}" for category in column.categories]
