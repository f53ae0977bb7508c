"""What to do where a value is missing: nothing is filled unless it was asked for.

A rule is one or several steps joined by "+", tried in turn on what is still missing: "forward+mean". Steps are

- error: a missing value is refused (which is what remains after every other step, too);
- drop-episode: the whole episode is left out;
- forward: the episode's last known value before it;
- mean: the mean of the known values (of a category: the shares of each);
- zero: 0 (of a category: none of them);
- indicator: observations get a further entry, 1 where the value was missing; then zero, if no other step is left.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mooring.data.tables.naming import expanded, is_pattern, listed
from mooring.errors import BadInput, unknown

STEPS = ("error", "drop-episode", "forward", "mean", "zero", "indicator")
Missing = str | Mapping[str, str]
"""A rule for all observations, "forward"; or rules by column, {"hr": "mean", "*_lab": "forward+mean"}; or as one text,
"forward,hr=mean,*_lab=indicator". Patterns are of observations: other columns are filled where they are named outright.
"""


@dataclass(frozen=True)
class Rules:
    """The steps for each column that has its own, and for the other observations."""

    own: dict[str, tuple[str, ...]]
    others: tuple[str, ...]

    @classmethod
    def of(cls, missing: Missing, known: Sequence[str], obs: Sequence[str], where: str) -> Rules:
        """Raises BadInput, with near names, for columns and steps that do not exist; later parts win over earlier."""
        parts = missing.items() if isinstance(missing, Mapping) else [_split(part) for part in listed(missing)]
        own: dict[str, tuple[str, ...]] = {}
        others: tuple[str, ...] = ("error",)
        for names, rule in parts:
            if names:
                own |= dict.fromkeys(_columns(names, known, obs, where), _steps(rule))
            else:
                others = _steps(rule)
        return cls(own, others)

    def of_obs(self, column: str) -> tuple[str, ...]:
        return self.own.get(column, self.others)

    def of_other(self, column: str) -> tuple[str, ...]:
        """The steps of what is no observation: its own; where a rule drops episodes, it drops these too."""
        steps = self.own.get(column, self.others if "drop-episode" in self.others else ("error",))
        if column in self.own and "indicator" in steps:
            raise BadInput(
                f"missing values of {column}", "indicator", "another rule: only observations have indicators"
            )
        return steps if column in self.own else tuple(step for step in steps if step == "drop-episode")


def _columns(names: str, known: Sequence[str], obs: Sequence[str], where: str) -> list[str]:
    """Those that are named outright, of all; those that a pattern matches, of the observations."""
    each = [names] if names in known else listed(names)
    among = [known if name in known or not is_pattern(name) else obs for name in each]
    return [column for name, columns in zip(each, among, strict=True) for column in expanded(name, columns, where)]


def _split(part: str) -> tuple[str, str]:
    name, _, rule = part.rpartition("=")
    return name, rule


def _steps(rule: str) -> tuple[str, ...]:
    steps = tuple(step.strip() for step in rule.split("+"))
    for step in steps:
        if step not in STEPS:
            raise unknown("missing values: rule", step, STEPS)
    return (*steps, "zero") if steps[-1] == "indicator" else steps


def filled(values: np.ndarray, steps: Sequence[str], first: np.ndarray) -> np.ndarray:
    """Values (N, K) with the steps done: rows that are missing are NaN, before as after. `first` as in `Order`."""
    for step in steps:
        missing = np.isnan(values[:, 0])
        if not missing.any():
            break
        if step == "forward":
            known = np.maximum.accumulate(np.where(missing, -1, np.arange(len(values))))
            values = np.where((known >= first)[:, None], values[np.maximum(known, 0)], np.nan)
        elif step in ("mean", "zero"):
            values = np.where(missing[:, None], _constant(step, values[~missing])[None], values)
    return values


def _constant(step: str, known: np.ndarray) -> np.ndarray:
    if step == "zero":
        return np.zeros(known.shape[1])
    return known.mean(axis=0, dtype=np.float64) if len(known) else np.full(known.shape[1], np.nan)
