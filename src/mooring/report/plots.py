"""Plots of scores: learning curves, bars with intervals, and the data's returns with the policies' among them.

Each function returns a matplotlib `Figure`; `save` writes it. Colors are those of Okabe and Ito ("Color universal
design", 2008), which the color-blind can tell apart; what is compared with (the data, the behavior policy) is gray.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float, Num

from mooring.errors import missing_extra
from mooring.evaluation.statistics import Estimate, iqm, mean, summarize

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
GRAY, LIGHT = "#666666", "#C8C8C8"
SCORE = "Normalized score (0 random, 100 expert)"
STYLE: dict[Any, Any] = {
    "font.size": 10,
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titlepad": 12,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "grid.color": "#E6E6E6",
    "legend.frameon": False,
    "figure.constrained_layout.w_pad": 0.1,
    "figure.constrained_layout.h_pad": 0.1,
    "svg.hashsalt": "mooring",
}

Curve = tuple[Num[np.ndarray, " K"], Float[np.ndarray, "K P"]]
"""Steps, and at each of them a score of every seed."""


def curve(rows: Sequence[Mapping[str, Any]], name: str = "score", kind: str = "evaluate", stage: str = "main") -> Curve:
    """A curve of the rows that a training logged, in the order of their steps."""
    chosen = [row for row in rows if row["kind"] == kind and row["stage"] == stage and name in row]
    chosen = sorted(chosen, key=lambda row: row["step"])
    return np.array([row["step"] for row in chosen]), np.array([row[name] for row in chosen], np.float64)


def learning_curves(
    curves: Mapping[str, Curve],
    references: Mapping[str, float] | None = None,
    *,
    title: str = "Learning curves: IQM over seeds, 95 % intervals",
    ylabel: str = SCORE,
    cast_off: int | None = None,
) -> Figure:
    """IQM over seeds by step, its interval as a band and each seed as a thin line; references are level lines.

    At the step `cast_off`, where learning goes on online, stands an upright line.
    """
    figure, axes = new_figure((8.4, 4.2), title)
    for color, (name, (steps, scores)) in zip(cycle(curves), curves.items(), strict=True):
        estimates = [_estimate(each) for each in scores]
        axes.plot(steps, scores, color=color, alpha=0.3, linewidth=0.7)
        axes.plot(steps, [each.value for each in estimates], color=color, linewidth=2.2, label=name)
        if scores.shape[1] > 1:
            low, high = [each.low for each in estimates], [each.high for each in estimates]
            axes.fill_between(steps, low, high, color=color, alpha=0.16, linewidth=0)
    for name, value in (references or {}).items():
        axes.axhline(value, color=GRAY, linestyle=(0, (4, 3)), linewidth=1.4, label=name)
    if cast_off is not None:
        axes.axvline(cast_off, color=GRAY, linewidth=1.2, label="cast off")
    over_updates(axes, ylabel)
    return figure


def over_updates(axes: Axes, ylabel: str) -> None:
    """What every plot against updates has: its labels, a grid, and a legend beside it."""
    axes.set_xlabel("Updates")
    axes.set_ylabel(ylabel)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    axes.grid(axis="y")
    axes.margins(x=0.01)
    legend_beside(axes)


def score_bars(
    scores: Mapping[str, Float[np.ndarray, "P E"]],
    behavior: Float[np.ndarray, " episodes"] | None = None,
    *,
    title: str = "Scores: IQM over seeds, 95 % intervals",
    xlabel: str = SCORE,
) -> Figure:
    """A bar for each method with its interval (over episodes, if there is one seed), and a dot for each seed.

    `behavior` holds the scores of the logged episodes, whose mean is a gray bar.
    """
    bars = {name: (_estimate(each), each.mean(axis=1)) for name, each in scores.items()}
    colors = cycle(scores)
    if behavior is not None:
        bars = {"behavior policy": (summarize(behavior, mean), behavior[:0]), **bars}
        colors = [LIGHT, *colors]
    figure, axes = new_figure((7.0, 1.3 + 0.55 * len(bars)), title)
    for row, (color, (estimate, seeds)) in enumerate(zip(colors, bars.values(), strict=True)):
        axes.barh(row, estimate.value, height=0.62, color=color, alpha=0.85)
        if np.isfinite(estimate.low):
            reach = [[estimate.value - estimate.low], [estimate.high - estimate.value]]
            axes.errorbar(estimate.value, row, xerr=reach, color="black", linewidth=1.6, capsize=4, capthick=1.6)
        spread = np.linspace(-0.2, 0.2, len(seeds)) if len(seeds) > 1 else np.zeros(len(seeds))
        axes.scatter(seeds, row + spread, s=18, color="white", edgecolor="black", linewidth=0.9, zorder=3)
        axes.text(1.02, row, _text(estimate), va="center", transform=axes.get_yaxis_transform())
    axes.axvline(0, color="black", linewidth=0.8)
    axes.set_yticks(range(len(bars)), list(bars))
    axes.tick_params(axis="y", length=0)
    axes.invert_yaxis()
    axes.set_xlabel(xlabel)
    axes.grid(axis="x")
    return figure


def return_histogram(
    returns: Float[np.ndarray, " episodes"],
    scores: Mapping[str, Float[np.ndarray, "P E"]],
    *,
    title: str = "Returns of the logged episodes, and of the learned policies",
    xlabel: str = "Return of an episode",
    bins: int = 40,
) -> Figure:
    """The data's episodes by return, with each method's IQM over seeds as a line and its interval as a band.

    Returns and scores have to be in the same units, raw or normalized.
    """
    figure, axes = new_figure((8.4, 4.2), title)
    label = f"logged episodes: mean {returns.mean():.1f}"
    axes.hist(returns, bins=bins, color=LIGHT, edgecolor="white", linewidth=0.5, label=label)
    for color, (name, each) in zip(cycle(scores), scores.items(), strict=True):
        estimate = _estimate(each)
        axes.axvline(estimate.value, color=color, linewidth=2.2, label=f"{name}: {_text(estimate)}")
        if np.isfinite(estimate.low):
            axes.axvspan(estimate.low, estimate.high, color=color, alpha=0.14, linewidth=0)
    axes.set_xlabel(xlabel)
    axes.set_ylabel("Logged episodes")
    axes.grid(axis="y")
    legend_beside(axes)
    return figure


def save(figure: Figure, stem: str | Path) -> tuple[Path, Path]:
    """Writes STEM.png and STEM.svg and returns their paths."""
    import matplotlib

    png, svg = Path(f"{stem}.png"), Path(f"{stem}.svg")
    png.parent.mkdir(parents=True, exist_ok=True)
    with matplotlib.rc_context(STYLE):
        figure.savefig(png, dpi=160)
        figure.savefig(svg, metadata={"Date": None})
    return png, svg


def new_figure(size: tuple[float, float], title: str) -> tuple[Figure, Axes]:
    """A figure that no window and no global state knows of."""
    figure, (axes,) = new_panels(size, [title])
    return figure, axes


def new_panels(size: tuple[float, float], titles: Sequence[str]) -> tuple[Figure, list[Axes]]:
    """As `new_figure`, with panels side by side that share their rows."""
    try:
        import matplotlib
        from matplotlib.figure import Figure
    except ImportError as error:
        raise missing_extra("matplotlib", "plot", "plots") from error
    with matplotlib.rc_context(STYLE):
        figure = Figure(size, layout="constrained")
        panels = figure.subplots(1, len(titles), sharey=True, squeeze=False)[0].tolist()
        for axes, title in zip(panels, titles, strict=True):
            axes.set_title(title)
    return figure, panels


def legend_beside(axes: Axes) -> None:
    """Right of the plot, where it hides nothing."""
    axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1.0), borderaxespad=0, frameon=False)


def cycle(names: Sequence[str] | Mapping[str, Any]) -> list[str]:
    """A color for each name."""
    return [COLORS[index % len(COLORS)] for index in range(len(names))]


def _estimate(scores: Float[np.ndarray, "P *episodes"]) -> Estimate:
    """IQM over the seeds whose scores are finite; NaN where none is."""
    finite = scores[np.isfinite(scores.reshape(len(scores), -1)).all(axis=1)]
    return summarize(finite, iqm) if len(finite) else Estimate(np.nan, np.nan, np.nan)


def _text(estimate: Estimate) -> str:
    return str(estimate) if np.isfinite(estimate.low) else f"{estimate.value:.1f}"
