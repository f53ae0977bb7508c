"""Numbers as places along an axis, and as words."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

Values = Float[np.ndarray, " K"]
Scalars = Float[np.ndarray, "_"]


class Scale:
    """From values to places along an axis, linear or logarithmic."""

    def __init__(self, low: float, high: float, start: int, end: int, logarithmic: bool = False) -> None:
        if low == high:
            low, high = low - (abs(low) or 1.0) / 2, high + (abs(high) or 1.0) / 2
        self.logarithmic, self.start, self.end = logarithmic, start, end
        self.low, self.high = (float(np.log10(low)), float(np.log10(high))) if logarithmic else (low, high)

    def __call__(self, values: Values) -> Values:
        """Places; those of values beyond the ends are the ends."""
        with np.errstate(invalid="ignore", divide="ignore"):
            values = np.log10(values) if self.logarithmic else np.asarray(values, np.float64)
        share = np.clip((values - self.low) / (self.high - self.low), 0, 1)
        return self.start + share * (self.end - self.start)

    def at(self, value: float) -> float:
        return float(self(np.array([value]))[0])

    def ticks(self, most: int = 6) -> list[float]:
        """At most so many round values between the ends."""
        step = 10.0 ** np.floor(np.log10((self.high - self.low) / most))
        step = next(step * factor for factor in (1, 2, 5, 10) if (self.high - self.low) / (step * factor) <= most)
        step = max(step, 1.0) if self.logarithmic else step
        marks = np.arange(np.ceil(self.low / step - 1e-9), np.floor(self.high / step + 1e-9) + 1) * step
        return [float(f"{10.0**mark if self.logarithmic else mark:.12g}") + 0.0 for mark in marks]  # + 0.0: never -0


def number(value: float) -> str:
    """Three digits, four from 100 on, all of a whole number and from 1,000 on; a dash for what is not finite."""
    if not np.isfinite(value):
        return "-"
    size = abs(value)
    if size < 1e9 and (size >= 1000 or value == round(value)):
        return f"{value:,.0f}"
    return f"{value:.1f}" if 100 <= size < 1000 else f"{value:.3g}"


def estimate(value: float, low: float, high: float) -> str:
    """A value with its interval, where there is one."""
    return f"{number(value)} [{number(low)}, {number(high)}]" if np.isfinite([low, high]).all() else number(value)


def mark(value: float) -> str:
    """As it stands at an axis: short, as 20k or 1e-05."""
    size = abs(value)
    if 10_000 <= size < 1e9:
        return f"{value / 1e6:g}M" if size >= 1e6 else f"{value / 1e3:g}k"
    return f"{value:g}"
