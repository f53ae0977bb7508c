"""What the action columns of a table are: real numbers with bounds, or choices that are counted from 0."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import product
from typing import NamedTuple, SupportsIndex

import numpy as np

from mooring.data.spaces import ActionSpace, Bounds, Discrete
from mooring.data.tables.naming import expanded
from mooring.data.tables.values import Column
from mooring.errors import BadInput

ACTION_TYPES = ("auto", "discrete", "categories", "continuous")
Ends = tuple[float | int, float | int]
ActionBounds = Ends | Mapping[str, Ends]
Place = Callable[[SupportsIndex], str]
MOST_ACTIONS = 4096  # ours: integers up to here may be choices; beyond, they are rather amounts


class Actions(NamedTuple):
    """`values` float32 (N, A) or int32 (N,), their space, labels where numbers alone do not tell, what was decided."""

    values: np.ndarray
    space: ActionSpace
    labels: tuple[str, ...]
    decided: str


def actions(
    columns: Sequence[Column],
    kind: str,
    bounds: ActionBounds | None,
    where: str,
    place: Place,
) -> Actions:
    """Several discrete columns become one number: of the product of their choices, the last column fastest.

    "discrete" takes whole numbers for the choices themselves; "categories" counts the different values in order, as
    is always done with text. "auto" takes one column whose type knows whole numbers only, and columns of text, for
    choices, and other numbers for continuous actions. Raises BadInput where that does not fit or is not clear.
    """
    if kind == "auto":
        kind = _kind(columns, where)
    if kind == "continuous":
        return _continuous(columns, bounds, where, place)
    if bounds is not None:
        raise BadInput(where, "bounds were given, but the actions are discrete", fix="leave the bounds out")
    counted = [_counted(column, kind, place) for column in columns]
    sizes = [len(choices) for _, choices in counted]
    total = int(np.prod(sizes))
    if total > MOST_ACTIONS:
        found = f"{' x '.join(str(size) for size in sizes)} discrete actions"
        raise BadInput(where, found, f"at most {MOST_ACTIONS}", "are they continuous?")
    values = np.ravel_multi_index([numbers for numbers, _ in counted], sizes).astype(np.int32)
    if len(columns) == 1 and kind == "discrete" and columns[0].categories is None:
        return Actions(values, Discrete(total), (), f"{total} discrete actions, 0 to {total - 1} as in the table")
    labels = _labels(columns, [choices for _, choices in counted])
    return Actions(values, Discrete(total), labels, f"{total} discrete actions: {_listing(labels)}")


def _kind(columns: Sequence[Column], where: str) -> str:
    text = [column.categories is not None for column in columns]
    whole = [column.whole for column in columns]
    if all(text):
        return "categories"
    if not any(text) and not any(whole):
        return "continuous"
    if len(columns) == 1:
        return "discrete"
    names = ", ".join(column.name for column in columns)
    found = f"action columns {names} hold whole numbers or text, so they could be amounts or choices"
    raise BadInput(where, found, fix="say discrete, categories or continuous")


def _counted(column: Column, kind: str, place: Place) -> tuple[np.ndarray, tuple[str, ...]]:
    """Each row's choice, counted from 0, and what the choices are called."""
    values = column.values
    if column.categories is not None:
        return values.astype(np.int64), column.categories
    if kind == "categories":
        different, numbers = np.unique(values, return_inverse=True)
        return numbers, tuple(f"{value:g}" for value in different)
    bad = np.flatnonzero((values != np.round(values)) | (values < 0) | (values >= MOST_ACTIONS))
    if len(bad):
        found = f"action column {column.name} is {values[bad[0]]:g} ({len(bad)} such rows)"
        fix = "take them for categories, which are counted, or for continuous"
        raise BadInput(place(bad[0]), found, f"a whole number from 0 to {MOST_ACTIONS - 1} as discrete action", fix)
    return values.astype(np.int64), tuple(str(choice) for choice in range(int(values.max()) + 1))


def _labels(columns: Sequence[Column], choices: Sequence[Sequence[str]]) -> tuple[str, ...]:
    if len(columns) == 1:
        return tuple(choices[0])
    named = [[f"{column.name}={choice}" for choice in each] for column, each in zip(columns, choices, strict=True)]
    return tuple(" ".join(combination) for combination in product(*named))


def _listing(labels: Sequence[str], most: int = 12) -> str:
    shown = ", ".join(f"{number} is {label}" for number, label in enumerate(labels[:most]))
    return shown + (", ..." if len(labels) > most else "")


def _continuous(columns: Sequence[Column], bounds: ActionBounds | None, where: str, place: Place) -> Actions:
    text = [column.name for column in columns if column.categories is not None]
    if text:
        raise BadInput(where, f"action column {text[0]} holds text", "numbers for continuous actions")
    names = tuple(column.name for column in columns)
    given = _given_bounds(names, bounds, where)
    ends = [given.get(column.name) or _range(column, where) for column in columns]
    for column, (low, high) in zip(columns, ends, strict=True):
        outside = np.flatnonzero((column.values < low) | (column.values > high))
        if len(outside):
            found = f"action column {column.name} is {column.values[outside[0]]:g} ({len(outside)} rows are outside)"
            raise BadInput(place(outside[0]), found, f"{low:g} to {high:g}, the bounds that were given")
    lows, highs = zip(*ends, strict=True)
    values = np.stack([column.values for column in columns], axis=1).astype(np.float32)
    decided = _decided(columns, ends, given)
    return Actions(values, Bounds.of(lows, highs, len(names)), names, decided)


def _given_bounds(names: Sequence[str], bounds: ActionBounds | None, where: str) -> dict[str, Ends]:
    if bounds is None:
        return {}
    if not isinstance(bounds, Mapping):
        return dict.fromkeys(names, bounds)
    return {name: ends for pattern, ends in bounds.items() for name in expanded(pattern, names, f"{where}, bounds")}


def _range(column: Column, where: str) -> tuple[float, float]:
    low, high = float(column.values.min()), float(column.values.max())
    if low == high:
        raise BadInput(where, f"action column {column.name} is {low:g} in every row", fix="give its bounds")
    return low, high


def _decided(columns: Sequence[Column], ends: Sequence[Ends], given: Mapping[str, Ends]) -> str:
    parts = []
    for column, (low, high) in zip(columns, ends, strict=True):
        source = "as given" if column.name in given else "its range in the data: give wider bounds if it has them"
        whole = bool((column.values == np.round(column.values)).all())
        remark = "; it holds whole numbers only, but is taken for continuous" if whole else ""
        parts.append(f"{column.name} from {low:g} to {high:g} ({source}{remark})")
    return f"continuous actions: {', '.join(parts)}"
