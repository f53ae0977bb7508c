"""Plots of a data set: returns, lengths and ends, rewards, actions, observations, alignment, stitching.

Each function returns a matplotlib `Figure` small enough for a phone, or None where there is nothing to show.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from mooring.data.audit.alignment import LAGS
from mooring.data.audit.coverage import histograms
from mooring.data.audit.features import folded, some, states
from mooring.data.audit.report import Report
from mooring.data.dataset import Dataset
from mooring.data.spaces import Discrete
from mooring.report.plots import COLORS, GRAY, LIGHT, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SIZE = (4.7, 2.9)
BLUE, ORANGE = COLORS[:2]
BINS = 40
ENTRIES = 40  # more entries than these are not told apart in a small plot
ENDS = {"terminated": ORANGE, "time limit": BLUE, "cut off": GRAY}


def returns(data: Dataset, report: Report) -> Figure | None:
    """Episodes by return, with mean and median."""
    if data.num_episodes < 2:
        return None
    figure, axes = new_figure(SIZE, "Returns of episodes")
    axes.hist(data.returns, bins=BINS, color=BLUE, alpha=0.75, edgecolor="white", linewidth=0.4)
    for name, value, style in (("mean", data.returns.mean(), "-"), ("median", np.median(data.returns), ":")):
        axes.axvline(value, color="black", linestyle=style, linewidth=1.4, label=f"{name} {value:,.4g}")
    axes.set_xlabel("undiscounted return")
    axes.set_ylabel("episodes")
    return _with_legend(figure, axes)


def order(data: Dataset, report: Report) -> Figure | None:
    """The return of each episode, in the order of the log: drift and several policies show."""
    if data.num_episodes < 2:
        return None
    figure, axes = new_figure(SIZE, "Returns in the log's order")
    chosen = some(np.arange(data.num_episodes), 2000)
    axes.plot(chosen, data.returns[chosen], ".", color=BLUE, markersize=4, alpha=0.5)
    axes.set_xlabel("episode")
    axes.set_ylabel("return")
    axes.grid(axis="y")
    return figure


def lengths(data: Dataset, report: Report) -> Figure | None:
    """Episodes by length, and how they ended."""
    figure, axes = new_figure(SIZE, "Lengths of episodes, and how they end")
    terminated, full = data.continues[data.ends] == 0, data.lengths == data.lengths.max()
    groups = {"terminated": terminated, "time limit": ~terminated & full, "cut off": ~terminated & ~full}
    present = {name: data.lengths[group] for name, group in groups.items() if group.any()}
    longest = int(data.lengths.max())
    edges = np.linspace(0.5, longest + 0.5, min(BINS, longest) + 1).tolist()
    labels = [f"{name} ({len(values):,})" for name, values in present.items()]
    axes.hist(list(present.values()), edges, stacked=True, color=[ENDS[name] for name in present], label=labels)
    axes.set_xlabel("steps")
    axes.set_ylabel("episodes")
    return _with_legend(figure, axes)


def rewards(data: Dataset, report: Report) -> Figure | None:
    """Rows by reward, on a logarithmic scale, since rare rewards count."""
    figure, axes = new_figure(SIZE, "Rewards")
    axes.hist(data.reward, bins=BINS, color=BLUE, alpha=0.75, edgecolor="white", linewidth=0.4)
    axes.set_yscale("log")
    axes.set_xlabel("reward of a step")
    axes.set_ylabel("rows (log)")
    axes.grid(axis="y")
    return figure


def actions(data: Dataset, report: Report) -> Figure | None:
    """How often each action is taken, or how each entry fills its bounds."""
    if isinstance(data.action_space, Discrete):
        figure, axes = new_figure(SIZE, "Actions taken")
        counts = np.bincount(data.action, minlength=data.action_space.n)
        axes.bar(np.arange(len(counts)), counts / len(data), color=BLUE, alpha=0.75)
        axes.set_xlabel("action")
        axes.set_ylabel("share of rows")
        return figure
    figure, axes = new_figure(SIZE, "Actions: how each entry fills its bounds")
    counts = np.array(histograms(data, BINS)[:ENTRIES])
    shares = counts / counts.max(axis=1, keepdims=True)
    axes.imshow(shares, aspect="auto", cmap="Blues", extent=(-1, 1, len(counts) - 0.5, -0.5), interpolation="nearest")
    axes.set_xticks([-1, 0, 1], ["low", "middle", "high"])
    axes.set_yticks(np.arange(len(counts))[:: max(1, len(counts) // 8)])
    axes.set_ylabel("entry")
    return figure


def observations(data: Dataset, report: Report) -> Figure | None:
    """The spread of each entry about its mean, in standard deviations: half of the rows, 98 % of them, the extremes."""
    rows = some(np.arange(len(data)))
    values = states(data.obs, rows)[:, :ENTRIES]
    if not values.shape[1]:
        return None
    deviations = values.std(axis=0)
    scaled = (values - values.mean(axis=0)) / np.where(deviations > 0, deviations, 1)
    low, one, quarter, upper, most, high = np.percentile(scaled, [0, 1, 25, 75, 99, 100], axis=0)
    figure, axes = new_figure(SIZE, "Observations: spread of each entry")
    entries = np.arange(values.shape[1])
    axes.vlines(entries, one, most, color=BLUE, alpha=0.4, linewidth=2, label="98 % of the rows")
    axes.vlines(entries, quarter, upper, color=BLUE, linewidth=5, label="half of them")
    axes.plot(entries, low, ".", color=ORANGE, markersize=4, label="extremes")
    axes.plot(entries, high, ".", color=ORANGE, markersize=4)
    axes.set_xlabel("entry")
    axes.set_ylabel("standard deviations")
    axes.set_xticks(entries[:: max(1, len(entries) // 8)])
    axes.grid(axis="y")
    axes.margins(y=0.2)
    axes.legend(loc="upper center", ncols=3, fontsize=8, handlelength=1, frameon=False)
    return figure


def state_map(data: Dataset, report: Report) -> Figure | None:
    """Visited states in two dimensions (two principal components, where there are more), by the return to go."""
    rows = some(np.arange(len(data)))
    obs = states(data.obs, rows)
    if obs.shape[1] < 2:
        return None
    plane, names = obs, ("entry 0", "entry 1")
    if obs.shape[1] > 2:
        scaled = folded(data)(data.obs, rows)
        scaled = scaled - scaled.mean(axis=0)
        _, axes_of_spread = np.linalg.eigh(scaled.T @ scaled)
        plane, names = scaled @ axes_of_spread[:, [-1, -2]], ("first principal component", "second")
    window = [np.percentile(plane[:, entry], [0.5, 99.5]) for entry in (0, 1)]
    if any(low == high for low, high in window):
        return None
    counts, *_ = np.histogram2d(plane[:, 0], plane[:, 1], 2 * BINS, window)
    totals, *_ = np.histogram2d(plane[:, 0], plane[:, 1], 2 * BINS, window, weights=data.column("return_to_go")[rows])
    means = np.where(counts > 0, totals / np.maximum(counts, 1), np.nan)
    figure, axes = new_figure(SIZE, "Visited states, by the return that followed")
    (left, right), (bottom, top) = window
    image = axes.imshow(
        means.T,
        origin="lower",
        aspect="auto",
        extent=(left, right, bottom, top),
        cmap="viridis",
        interpolation="nearest",
    )
    figure.colorbar(image, ax=axes, label="mean return to go", pad=0.02)
    axes.set_xlabel(names[0])
    axes.set_ylabel(names[1])
    return figure


def alignment(data: Dataset, report: Report) -> Figure | None:
    """What the actions and rewards of neighboring rows explain, against each row's own."""
    gains, shares = report.evidence("action's row"), report.evidence("reward's row")
    groups = {
        "action explains change of obs": [gains.get(f"gain at lag {lag:+d}") for lag in LAGS],
        "row explains reward": [shares.get(f"share at lag {lag:+d}") for lag in LAGS],
    }
    measured = {name: values for name, values in groups.items() if None not in values}
    if not measured:
        return None
    figure, axes = new_figure(SIZE, "Alignment: whose action and reward fit")
    width = 0.8 / len(measured)
    for place, (color, (name, values)) in enumerate(zip((BLUE, ORANGE), measured.items(), strict=False)):
        heights = np.maximum(np.array(values, float), 0)
        at = np.arange(len(LAGS)) + (place - (len(measured) - 1) / 2) * width
        bars = axes.bar(at, heights, width, color=color, label=name)
        axes.bar_label(bars, [f"{100 * height:.3g} %" for height in heights], fontsize=7.5, padding=1)
    axes.set_xticks(range(len(LAGS)), ["row before", "own row", "row after"])
    axes.set_ylim(0, 1.5)
    axes.set_yticks([0, 0.5, 1])
    axes.set_ylabel("share explained")
    return _with_legend(figure, axes)


def stitching(data: Dataset, report: Report) -> Figure | None:
    """Joined episodes' return against the logged ones'."""
    found = report.evidence("stitching")
    if not found.get("joins"):
        return None
    figure, axes = new_figure((SIZE[0], 2.2), "Stitching: joined where episodes meet")
    bars = {
        "logged, mean": (found["logged"], LIGHT),
        "joined, mean": (found["joined"], BLUE),
        "logged, best": (found["best"], GRAY),
    }
    axes.barh(
        list(bars), [value for value, _ in bars.values()], color=[color for _, color in bars.values()], height=0.6
    )
    for row, (value, _) in enumerate(bars.values()):
        axes.annotate(f" {_brief(value)} ", (value, row), va="center", ha="left" if value >= 0 else "right")
    axes.margins(x=0.25)
    axes.invert_yaxis()
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel("return")
    return figure


def _brief(value: float) -> str:
    """Whole from 100 on, else in three digits."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


PLOTS: dict[Callable[[Dataset, Report], Figure | None], str] = {
    returns: "Groups of returns hint at several policies, or at luck and failure.",
    order: "Rising returns are those of a policy that was learning; steps are changes of policy.",
    lengths: "A time limit is a peak at the longest length. Terminations there would be suspicious.",
    rewards: "Rows are on a logarithmic scale, since rare rewards count.",
    actions: "Dark is frequent. Rows that stop short of the bounds, or crowd at them, deserve a look.",
    observations: "Entries about their means. Extremes far from all else may be errors.",
    state_map: "Where the data has been, and what return followed from there.",
    alignment: "In sound data each row's own action and reward fit best: the middle is the highest.",
    stitching: "What joining episodes where they meet would return, if near states were the same.",
}
"""Each plot, and what to look for in it."""


def _with_legend(figure: Figure, axes: Axes) -> Figure:
    axes.legend(loc="best", fontsize=8, handlelength=1.4, frameon=False)
    axes.grid(axis="y")
    return figure
