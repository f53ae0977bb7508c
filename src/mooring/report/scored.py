"""What runs got in their environment: the last scores, and learning curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import astuple

import numpy as np

from mooring.evaluation.statistics import Estimate, iqm, mean, summarize
from mooring.report.chart import Bar, Line, bars, lines
from mooring.report.gathered import Group, Run, Task
from mooring.report.html import made_by, missing, plots, table
from mooring.report.logged import BEHAVIOR, Log
from mooring.report.scale import estimate, number

LABELS = {"score": "score (0 random, 100 expert)", "return": "return"}
HEADS = ("method", "seeds", "updates", "last {}", "best {}", "of looks")
LUCK = "The best of several looks is luckier than what a policy that is picked by it will get."


def last(group: Group, measure: str) -> Estimate:
    """The IQM over seeds of the last evaluation; NaN where a seed diverged."""
    return _iqm(group.last(measure))


def scores(task: Task, colors: Mapping[str, int], log: Log) -> str:
    """The last evaluations, against the logged episodes where these are known; as bars and in a table."""
    without = "".join(_not_evaluated(run) for run in task.runs if not run.evaluations)
    if not task.evaluated:
        return without
    measure, rows = task.measure, {}
    if log.episodes is not None:
        rows[BEHAVIOR] = _bar(summarize(log.episodes, mean))
    for name, group in task.evaluated.items():
        rows[name] = _bar(last(group, measure), group.last(measure).tolist())
    words = "IQM over seeds of the last evaluation, with its 95 % interval; each dot is a seed."
    words += " Gray: the mean of the logged episodes." if log.episodes is not None else ""
    if any(len(group.members) == 1 for group in task.evaluated.values()):
        words += " A single seed has no interval: --seeds 4 trains several in one program."
    looks = [(name, *_looks(group, measure)) for name, group in task.evaluated.items()]
    listed = table([head.format(measure) for head in HEADS], looks)
    made = made_by(f"mooring evaluate {run.path} --episodes {run.config['evaluate']['episodes']}" for run in task.runs)
    chart = bars(task.name, words, rows, colors, xlabel=LABELS[measure])
    return plots([chart, f'<div>{listed}<p class="made">{LUCK}</p>{made}</div>'], broad=True) + without


def learning_curves(task: Task, colors: Mapping[str, int], log: Log) -> str:
    """Nothing where no run was evaluated more than once."""
    found = {name: group.curve(task.measure) for name, group in task.evaluated.items()}
    series = {name: _line(*each) for name, each in found.items() if len(each[0]) > 1}
    if not series:
        return ""
    levels = {BEHAVIOR: float(log.episodes.mean())} if log.episodes is not None else {}
    since = {float(run.config["online"]["cast_off"]) for run in task.runs if "online" in run.config}
    uprights = {"cast off": since.pop()} if len(since) == 1 else {}
    words = "IQM over seeds, with 95 % intervals as bands. Names above hide lines."
    chart = lines(task.name, words, series, colors, ylabel=task.measure, levels=levels, uprights=uprights)
    return plots([chart, f"<div>{made_by(run.command for run in task.runs)}</div>"], broad=True)


def _bar(found: Estimate, dots: Sequence[float] = ()) -> Bar:
    return Bar(found.value, found.low, found.high, dots)


def _iqm(seeds: np.ndarray) -> Estimate:
    return summarize(seeds, iqm) if np.isfinite(seeds).all() else Estimate(np.nan, np.nan, np.nan)


def _line(steps: np.ndarray, values: np.ndarray) -> Line:
    y, low, high = np.array([astuple(_iqm(seeds)) for seeds in values]).T
    return Line(steps.astype(float), y, low, high)


def _looks(group: Group, measure: str) -> tuple[str, ...]:
    """The last and the best evaluation, apart."""
    steps, values = group.curve(measure)
    means, found = values.mean(axis=1), last(group, measure)
    best = (
        f"{number(np.nanmax(means))} after {steps[np.nanargmax(means)]:,}" if np.isfinite(means).any() else "diverged"
    )
    told = estimate(*astuple(found)) if np.isfinite(found.value) else "diverged"
    return str(len(group.members)), f"{steps[-1]:,}", told, best, str(len(steps))


def _not_evaluated(run: Run) -> str:
    return missing(
        f"{run.name} was not evaluated while it trained. `mooring evaluate {run.path}` plays its policies now; "
        "`mooring train ... --evaluate-every 10000` looks on the way."
    )
