"""Plots of whether estimated probabilities of actions are true."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mooring.ope.calibration import BINS, Calibration, Ranks, Reliability
from mooring.report.plots import COLORS, GRAY, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BLUE, ORANGE = COLORS[:2]
ENTRIES = 6  # of the action, those that stray the farthest; more lines can not be told apart


def calibration(found: Calibration) -> Figure:
    """A reliability diagram of choices, or the ranks of continuous actions; true probabilities lie on the gray line."""
    return reliability(found) if isinstance(found, Reliability) else ranks(found)


def reliability(found: Reliability) -> Figure:
    """The share of cases in which actions were taken, by the probability that they were given, with 95 % intervals."""
    figure, axes = new_figure((5.6, 4.6), _title("Behavior probabilities", found))
    low = min(found.predicted.min(), found.taken[found.taken > 0].min(initial=1.0)) / 1.6
    axes.plot([low, 1], [low, 1], color=GRAY, linestyle=(0, (4, 3)), linewidth=1.4, label="true probabilities")
    reach = np.maximum([found.taken - found.low, found.high - found.taken], 0)
    style: dict[str, Any] = {"fmt": "o", "markersize": 5, "linewidth": 1.4, "capsize": 3}
    axes.errorbar(found.predicted, found.taken, reach, color=BLUE, label="a tenth of all probability", **style)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlim(low, 1.15)
    axes.set_ylim(low, 1.15)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.set_xlabel("probability that was estimated")
    axes.set_ylabel("share of cases in which it was taken")
    axes.grid()
    axes.legend(loc="upper left", frameon=False)
    return figure


def ranks(found: Ranks) -> Figure:
    """The share of logged actions in each tenth of the ranks among draws, by entry of the action."""
    figure, axes = new_figure((5.6, 4.0), _title("Behavior densities", found))
    worst = np.sort(np.argsort(-found.stray)[:ENTRIES])
    edges, shares = np.linspace(0, 1, BINS + 1), found.histogram()
    for place, entry in enumerate(worst):
        label = f"entry {entry}: strays by {found.stray[entry]:.2f}"
        axes.stairs(shares[entry], edges, color=COLORS[place], linewidth=2, baseline=None, label=label)
    axes.axhline(1 / BINS, color=GRAY, linestyle=(0, (4, 3)), linewidth=1.4, label="true densities")
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1.5 * max(shares[worst].max(), 1 / BINS))
    axes.set_xlabel("rank of the logged action among draws")
    axes.set_ylabel("share of rows")
    axes.grid(axis="y")
    axes.legend(loc="upper left", ncols=2, fontsize=8, frameon=False)
    return figure


def _title(what: str, found: Calibration) -> str:
    return f"{what}: {'calibrated' if found.calibrated else 'not calibrated'}"
