"""What logs alone say of runs' policies: the forest of estimates that `mooring estimate` left in their folders."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mooring.errors import BadInput
from mooring.report.chart import Bar, bars
from mooring.report.gathered import Run
from mooring.report.html import made_by, missing, plots
from mooring.report.logged import BEHAVIOR
from mooring.report.scale import estimate, number

FILE = "estimates.json"


def estimates(runs: Sequence[Run]) -> str:
    """A forest plot of each run that was estimated; how to get one, where none was."""
    known = [run for run in runs if (run.folder.path / FILE).exists()]
    if not known:
        return missing(f"No run was judged from logs alone. `mooring estimate {runs[0].path}` does so.")
    return plots(map(_forest, known), broad=True)


def _forest(run: Run) -> str:
    """Raises BadInput where the file is damaged, or not one of Mooring's."""
    path = run.folder.path / FILE
    try:
        return _drawn(run.name, json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        trouble = f"is damaged, or not what mooring estimate writes ({type(error).__name__}: {error})"
        raise BadInput(str(path), trouble, fix="run mooring estimate again") from error


def _drawn(name: str, found: Mapping[str, Any]) -> str:
    behavior, listed = found["behavior"], found["estimates"]
    rows = {BEHAVIOR: Bar(*_interval(behavior), notes=("", "", "", ""))}
    rows |= {each["name"]: Bar(*_interval(each), remark=each["verdict"], notes=_notes(each)) for each in listed}
    words = f"{found['agreement'].capitalize()}. Discount {found['discount']:g}, on {found['data']}."
    chart = bars(
        f"{name}: {found['verdict']}",
        f"{words} The dashed line is the behavior policy's value; arrows lie beyond the picture.",
        rows,
        {each["name"]: 0 for each in listed},
        xlabel="value from logs alone, 95 % intervals",
        heads=("less behavior", "verdict", "effective size", "warnings"),
        reference=_number(behavior["value"]),
        from_zero=False,
    )
    chart = chart or missing(f"{name}: no estimate is a finite number.")
    return f"<div>{chart}{made_by([found['command']])}</div>"


def _interval(entry: Mapping[str, Any]) -> tuple[float, float, float]:
    return _number(entry["value"]), _number(entry["low"]), _number(entry["high"])


def _notes(entry: Mapping[str, Any]) -> tuple[str, ...]:
    """The verdict rests on the difference, which is paired, and so is surer than the two values."""
    size, paired = entry["effective_size"], entry.get("difference")
    difference = "" if paired is None else estimate(*_interval(paired))
    return difference, entry["verdict"], "" if size is None else number(float(size)), "; ".join(entry["warnings"])


def _number(value: float | None) -> float:
    """Null stands for what is not finite."""
    return np.nan if value is None else float(value)
