"""Plots of methods over several tasks: aggregates, profiles, sample efficiency, probabilities of improvement.

Each function takes numbers that `mooring.evaluation.comparison` made and returns a matplotlib `Figure`; `plots.save`
writes it, and `draw_all` draws all that some results allow.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mooring.errors import BadInput
from mooring.evaluation.comparison import Band, Curve, Runs, performance_profile, sample_efficiency
from mooring.evaluation.results import Look, best, curves, last, scored_tasks
from mooring.evaluation.statistics import Estimate
from mooring.evaluation.summary import GAP, Line, duels, lines, shared_tasks
from mooring.report.plots import COLORS, GRAY, SCORE, cycle, legend_beside, new_figure, new_panels, over_updates, save

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

THRESHOLDS = 201
WHICH = {"last": "last evaluation", "best": "best evaluation of each seed (too high)"}


def aggregate_bars(estimates: Mapping[str, Mapping[str, Estimate]], *, xlabel: str = SCORE) -> Figure:
    """A panel for each statistic, and in it a bar with its interval for each method."""
    methods = list(next(iter(estimates.values())))
    figure, panels = new_panels((1.6 + 2.6 * len(estimates), 1.2 + 0.5 * len(methods)), list(estimates))
    for axes, by_method in zip(panels, estimates.values(), strict=True):
        for row, (color, estimate) in enumerate(zip(cycle(methods), by_method.values(), strict=True)):
            axes.barh(row, estimate.value, height=0.62, color=color, alpha=0.85)
            _interval(axes, row, estimate)
        axes.axvline(0, color="black", linewidth=0.8)
        _rows(axes, methods)
    panels[0].invert_yaxis()
    figure.supxlabel(xlabel, fontsize=10)
    return figure


def profiles(
    bands: Mapping[str, Band],
    *,
    title: str = "Performance profiles: 95 % intervals at each score",
    xlabel: str = "Normalized score tau (0 random, 100 expert)",
) -> Figure:
    """For each method the share of runs above each score: a curve that is higher than another everywhere is better."""
    figure, axes = new_figure((8.4, 4.2), title)
    for color, (name, band) in zip(cycle(bands), bands.items(), strict=True):
        axes.step(band.at, band.value, where="post", color=color, linewidth=2.2, label=name)
        axes.fill_between(band.at, band.low, band.high, step="post", color=color, alpha=0.16, linewidth=0)
    axes.set_xlabel(xlabel)
    axes.set_ylabel("Share of runs with score > tau")
    axes.set_ylim(-0.02, 1.02)
    axes.margins(x=0.01)
    axes.grid()
    legend_beside(axes)
    return figure


def efficiency(
    bands: Mapping[str, Band],
    *,
    title: str = "Sample efficiency: IQM over tasks and seeds, 95 % intervals",
    ylabel: str = SCORE,
) -> Figure:
    """For each method an aggregate over its tasks by the number of updates, its interval as a band."""
    figure, axes = new_figure((8.4, 4.2), title)
    for color, (name, band) in zip(cycle(bands), bands.items(), strict=True):
        axes.plot(band.at, band.value, color=color, linewidth=2.2, marker="o", markersize=3.5, label=name)
        if np.isfinite(band.low).any():
            axes.fill_between(band.at, band.low, band.high, color=color, alpha=0.16, linewidth=0)
    over_updates(axes, ylabel)
    return figure


def improvement_bars(
    chances: Mapping[tuple[str, str], Estimate],
    *,
    title: str = "Probability that a run of X beats one of Y, 95 % intervals",
) -> Figure:
    """For each pair (X, Y) the probability of improvement and its interval, about one half, where neither is better."""
    names = [f"{first} over {second}" for first, second in chances]
    figure, axes = new_figure((7.0, 1.3 + 0.42 * len(names)), title)
    for row, estimate in enumerate(chances.values()):
        told = estimate.low > 0.5 or estimate.high < 0.5
        color = COLORS[0] if told else GRAY
        axes.barh(row, estimate.value - 0.5, left=0.5, height=0.62, color=color, alpha=0.6)
        _interval(axes, row, estimate)
        text = f"{estimate.value:.2f} [{estimate.low:.2f}, {estimate.high:.2f}]"
        axes.text(1.02, row, text, va="center", transform=axes.get_yaxis_transform())
    axes.axvline(0.5, color="black", linewidth=0.8)
    axes.set_xlim(0, 1)
    _rows(axes, names)
    axes.invert_yaxis()
    axes.set_xlabel("P(X > Y); gray where the interval holds one half")
    return figure


def thresholds(methods: Sequence[Runs]) -> np.ndarray:
    """From 0, or the lowest score, to the highest, finely: where profiles are drawn."""
    scores = np.concatenate([values for runs in methods for values in runs.values()])
    finite = scores[np.isfinite(scores)]
    if not len(finite):
        raise BadInput("scores", "none is finite", "one at least")
    return np.linspace(min(0.0, float(finite.min())), max(float(finite.max()), 1.0), THRESHOLDS)


def draw_all(looks: Sequence[Look]) -> dict[str, Figure]:
    """Every plot that these results allow, by name.

    All but the probabilities want a task with scores that all methods were run on. Last and best evaluations have bars
    and profiles of their own.
    """
    found, scored = curves(looks), scored_tasks(looks)
    tasks = shared_tasks(found, scored)
    figures: dict[str, Figure] = {}
    common = {method: {task: there[task] for task in tasks} for method, there in found.items()}
    for name, chosen in (("last", last), ("best", best)) if tasks else ():
        runs = {method: chosen(there) for method, there in common.items()}
        grid = thresholds(list(runs.values()))
        bands = {method: performance_profile(each, grid) for method, each in runs.items()}
        figures[f"profiles_{name}"] = profiles(bands, title=f"Performance profiles, {WHICH[name]}")
        whole = [line for line in lines(common, scored, chosen) if len(tasks) == 1 or line.task not in tasks]
        if whole[0].estimates and all(line.estimates.keys() == whole[0].estimates.keys() for line in whole):
            figures[f"aggregates_{name}"] = _bars(whole, f"{SCORE}, {WHICH[name]}; 95 % intervals")
    curve_plot = _efficiency_of(common) if tasks else None
    if curve_plot:
        figures["efficiency"] = curve_plot
    pairs = {(duel.first, duel.second): duel.improvement for duel in duels(found, scored)}
    if pairs:
        figures["improvement"] = improvement_bars(pairs)
    return figures


def save_all(looks: Sequence[Look], folder: str | Path) -> list[Path]:
    """Writes what `draw_all` draws into the folder, each as PNG and SVG; returns the files' paths."""
    return [path for name, figure in draw_all(looks).items() for path in save(figure, Path(folder) / name)]


def _efficiency_of(methods: Mapping[str, Mapping[str, Curve]]) -> Figure | None:
    try:
        return efficiency({method: sample_efficiency(curves) for method, curves in methods.items()})
    except BadInput:  # no step is common to the tasks, or seeds differ in number: there is no such curve
        return None


def _bars(lines: Sequence[Line], xlabel: str) -> Figure:
    titles = {name: f"{name} (less is better)" if name == GAP else name for name in lines[0].estimates}
    named = {title: {line.method: line.estimates[name] for line in lines} for name, title in titles.items()}
    return aggregate_bars(named, xlabel=xlabel)


def _interval(axes: Axes, row: int, estimate: Estimate) -> None:
    if np.isfinite(estimate.high):
        reach = [[estimate.value - estimate.low], [estimate.high - estimate.value]]
        axes.errorbar(estimate.value, row, xerr=reach, color="black", linewidth=1.6, capsize=4, capthick=1.6)


def _rows(axes: Axes, names: Sequence[str]) -> None:
    axes.set_yticks(range(len(names)), names)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x")
