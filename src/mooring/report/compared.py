"""Methods against each other: performance profiles, probabilities of improvement, and aggregates over tasks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import astuple
from functools import partial

import numpy as np

from mooring.errors import BadInput
from mooring.evaluation.comparison import (
    Runs,
    aggregate,
    optimality_gap,
    performance_profile,
    probability_of_improvement,
)
from mooring.evaluation.statistics import Estimate, median
from mooring.report.chart import Bar, Line, bars, lines
from mooring.report.gathered import Task
from mooring.report.html import missing, plots
from mooring.report.scored import LABELS

THRESHOLDS = 41

Methods = Mapping[str, Runs]
"""Every method's last scores, by task."""


def comparisons(tasks: Sequence[Task], colors: Mapping[str, int]) -> str:
    """Each task by itself, and all tasks together where two methods or more were scored on every one of them."""
    alone = "".join(_task(task, colors) for task in tasks)
    scored = [task for task in tasks if task.evaluated and task.measure == "score"]
    return alone + (_across(scored, colors) if len(scored) > 1 else "")


def _task(task: Task, colors: Mapping[str, int]) -> str:
    methods = {name: {task.name: group.last(task.measure)} for name, group in task.evaluated.items()}
    if not any(len(runs[task.name]) > 1 for runs in methods.values()):
        return ""
    charts = [_profile(task.name, methods, colors, LABELS[task.measure]), _improvement(task.name, methods, colors)]
    return plots(charts, broad=True)


def _across(tasks: Sequence[Task], colors: Mapping[str, int]) -> str:
    shared = [name for name in tasks[0].evaluated if all(name in task.evaluated for task in tasks)]
    if len(shared) < 2:
        return missing("Fewer than two methods were scored on every task, so tasks are not taken together.")
    methods = {name: {task.name: task.evaluated[name].last("score") for task in tasks} for name in shared}
    over, words = f"{len(tasks)} tasks", f"Over {', '.join(task.name for task in tasks)}; tasks count alike."
    middle = {name: _bar(aggregate, runs) for name, runs in methods.items()}
    halves = {name: _bar(partial(aggregate, statistic=median), runs) for name, runs in methods.items()}
    gaps = {name: _bar(optimality_gap, runs) for name, runs in methods.items()}
    return plots(
        [
            bars(f"{over}: IQM", f"{words} The IQM of all seeds' last scores.", middle, colors, xlabel=LABELS["score"]),
            bars(f"{over}: median", f"{words} The median task's mean.", halves, colors, xlabel=LABELS["score"]),
            bars(f"{over}: optimality gap", f"{words} Less is better.", gaps, colors, xlabel="mean shortfall from 100"),
            _profile(over, methods, colors, LABELS["score"]),
            _improvement(over, methods, colors),
        ],
        broad=True,
    )


def _bar(measure: Callable[[Runs], Estimate], runs: Runs) -> Bar:
    """No number where seeds diverged, or where tasks have different numbers of them."""
    try:
        return Bar(*astuple(measure(runs)))
    except BadInput:
        return Bar(np.nan)


def _profile(name: str, methods: Methods, colors: Mapping[str, int], label: str) -> str:
    finite = np.concatenate([scores[np.isfinite(scores)] for runs in methods.values() for scores in runs.values()])
    if not len(finite):
        return ""
    low, high = float(finite.min()), float(finite.max())
    room = 0.05 * ((high - low) or abs(high) or 1.0)
    thresholds = np.linspace(low - room, high + room, THRESHOLDS)
    series = {name: Line(*performance_profile(runs, thresholds)) for name, runs in methods.items()}
    words = "The share of runs that end above a score, with 95 % intervals at each; higher is better."
    return lines(f"{name}: performance profiles", words, series, colors, xlabel=label, ylabel="share of runs above")


def _improvement(name: str, methods: Methods, colors: Mapping[str, int]) -> str:
    """The method of the highest mean against each other one."""
    if len(methods) < 2:
        return ""
    best = max(methods, key=lambda each: _height(methods[each]))
    rows = {
        other: Bar(*astuple(probability_of_improvement(methods[best], runs)))
        for other, runs in methods.items()
        if other != best
    }
    words = f"How probable it is that a run of {best} beats one of each other. Intervals around 0.5 decide nothing."
    title = f"{name}: probability that {best} improves on others"
    return bars(title, words, rows, colors, xlabel="probability", reference=0.5, from_zero=False)


def _height(runs: Runs) -> float:
    value = float(np.mean([scores.mean() for scores in runs.values()]))
    return value if np.isfinite(value) else -np.inf
