"""What was measured while runs trained: losses, values, and whatever else their methods log."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

import numpy as np

from mooring.report.chart import Line, lines
from mooring.report.gathered import Task
from mooring.report.html import missing, plots
from mooring.runs import MAIN

FIRST = ("q", "value", "td_error", "critic_loss", "actor_loss", "loss")
"""What is looked at first; what comes after `SHOWN` charts is folded up."""
SHOWN = 3
ELSEWHERE = ("evaluate", "watch")
"""Kinds of rows that have sections of their own."""


def metrics(task: Task, colors: Mapping[str, int]) -> str:
    """A chart of each number that was logged beside evaluations."""
    charts = list(filter(None, (_metric(task, colors, *place) for place in _places(task))))
    if not charts:
        names = ", ".join(run.name for run in task.runs)
        return missing(f"{names}: nothing was logged yet. A run logs once in `--chunk` updates.")
    folded = charts[SHOWN:]
    more = f"<details><summary>{len(folded)} more of {escape(task.name)}</summary>\n{plots(folded)}</details>\n"
    return plots(charts[:SHOWN]) + (more if folded else "")


def _places(task: Task) -> list[tuple[str, str, str]]:
    """Stage, kind and name of all that has numbers, the most telling first."""
    found = {
        (row["stage"], row["kind"], name)
        for run in task.runs
        for row in run.rows
        if row["kind"] not in ELSEWHERE
        for name, values in row.items()
        if isinstance(values, list)
    }
    return sorted(found, key=lambda place: (place[0] != MAIN, _rank(place[2]), place))


def _rank(name: str) -> int:
    return FIRST.index(name) if name in FIRST else len(FIRST)


def over_seeds(steps: np.ndarray, values: np.ndarray) -> Line:
    """The mean over seeds, and a band from the lowest to the highest."""
    low, high = (values.min(axis=1), values.max(axis=1)) if values.shape[1] > 1 else (None, None)
    return Line(steps.astype(float), values.mean(axis=1), low, high, range=True)


def _metric(task: Task, colors: Mapping[str, int], stage: str, kind: str, name: str) -> str:
    found = {method: over_seeds(*group.curve(name, kind, stage)) for method, group in task.groups.items()}
    series = {method: line for method, line in found.items() if len(line.x)}
    place = [name if kind == "train" else f"{kind}: {name}", *([] if stage == MAIN else [f"stage {stage}"])]
    return lines(" of ".join(place), f"{task.name}: mean over seeds; bands reach over all of them.", series, colors)
