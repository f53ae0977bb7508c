"""The kinds of settings that algorithms have: a type, and the range that a value must lie in.

The command line reads these names from the algorithms' source, so this file imports nothing heavy.
"""

from dataclasses import fields
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin, get_type_hints

from mooring.errors import BadInput


class Range(NamedTuple):
    """Numbers between low and high; `open_low` leaves low out, and `open_high` high."""

    low: float
    high: float
    open_low: bool = False
    open_high: bool = False

    def holds(self, value: float | int) -> bool:
        left_out = (self.open_low and value == self.low) or (self.open_high and value == self.high)
        return self.low <= value <= self.high and not left_out

    def __str__(self) -> str:
        return f"{'(' if self.open_low else '['}{self.low:g}, {self.high:g}{')' if self.open_high else ']'}"


INFINITE = float("inf")

Real = Annotated[float, Range(-INFINITE, INFINITE, open_low=True, open_high=True)]
Positive = Annotated[float, Range(0, INFINITE, open_low=True, open_high=True)]
NonNegative = Annotated[float, Range(0, INFINITE, open_high=True)]
Unit = Annotated[float, Range(0, 1)]
Fraction = Annotated[float, Range(0, 1, open_low=True)]
Dropout = Annotated[float, Range(0, 1, open_high=True)]
Momentum = Annotated[float, Range(0, 1, open_high=True)]
Count = Annotated[int, Range(1, INFINITE, open_high=True)]
Widths = tuple[int, ...]


def check(holder: Any) -> None:
    """Refuses a setting of the wrong type or out of its range. Traced and stacked values pass."""
    hints = get_type_hints(type(holder), include_extras=True)
    for field in fields(holder):
        kind, value = _given(hints[field.name]), getattr(holder, field.name)
        where = f"{type(holder).__name__}.{field.name}"
        if get_origin(kind) is Annotated and isinstance(value, (int, float)):
            base, limits = get_args(kind)
            if base is int and (isinstance(value, bool) or not isinstance(value, int)):
                raise BadInput(where, f"found {value!r}", "a whole number")
            if not limits.holds(value):
                raise BadInput(where, f"found {value!r}", f"a number in {limits}")
        elif get_origin(kind) is Annotated and isinstance(value, str):
            raise BadInput(where, f"found {value!r}", "a number")
        elif get_origin(kind) is Literal and value not in get_args(kind):
            raise BadInput(where, f"found {value!r}", " or ".join(repr(choice) for choice in get_args(kind)))
        elif kind is bool and not isinstance(value, bool):
            raise BadInput(where, f"found {value!r}", "True or False")
        elif kind == Widths and not (isinstance(value, tuple) and all(isinstance(w, int) and w > 0 for w in value)):
            expected = "a tuple of widths of at least 1, as (256, 256); without any, networks are linear"
            raise BadInput(where, f"found {value!r}", expected)


def _given(kind: Any) -> Any:
    """What an optional setting is when it is given: `Real` for `Real | None`."""
    options = get_args(kind) if get_origin(kind) in (Union, UnionType) else ()
    return options[0] if options[1:] == (NoneType,) else kind
