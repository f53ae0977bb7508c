"""Returns of the logged episodes: how they are spread, and whether they fall into groups."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from jaxtyping import Float64
from scipy.stats import gaussian_kde

from mooring.data.audit.report import Check, Finding
from mooring.data.dataset import Dataset

GRID = 256
PROMINENT = 0.1  # ours: a group's peak rises above its sides by a tenth of the highest peak at least
FEW = 10  # ours: episodes below which groups are accidents


def spread(data: Dataset) -> Iterator[Finding]:
    """The distribution of returns."""
    low, quarter, middle, upper, high = (float(value) for value in np.percentile(data.returns, [0, 25, 50, 75, 100]))
    evidence = {"min": low, "quarter": quarter, "median": middle, "three quarters": upper, "max": high}
    if data.num_episodes > 1 and low == high:
        text = f"every episode has return {low:g}: no episode is better than another"
        yield Finding(
            "note", "reward", text, "methods that imitate the best episodes have nothing to choose", evidence=evidence
        )
        return
    text = f"returns from {low:.5g} to {high:.5g}, half of them within {quarter:.5g} and {upper:.5g}"
    yield Finding("pass", "reward", text, evidence=evidence)


def groups(data: Dataset) -> Iterator[Finding]:
    """Modes of a density of the returns (Gaussian kernel, Silverman's width)."""
    found = modes(data.returns)
    if len(found):
        places = " and ".join(f"{place:.4g}" for place in found)
        text = (
            f"returns gather in {len(found)} groups, near {places}"
            if len(found) > 1
            else f"returns gather near {places}"
        )
        yield Finding("pass", "reward", text, evidence={"groups": len(found)})


def modes(returns: Float64[np.ndarray, " E"]) -> Float64[np.ndarray, " M"]:
    """Where a density of the returns peaks; none where episodes are few or alike."""
    if len(returns) < FEW or np.ptp(returns) == 0:
        return np.empty(0)
    margin = 0.1 * np.ptp(returns)
    grid = np.linspace(returns.min() - margin, returns.max() + margin, GRID)
    sample = returns if len(returns) <= 5000 else np.random.default_rng(0).choice(returns, 5000, replace=False)
    density = gaussian_kde(sample, "silverman")(grid)
    from scipy.signal import find_peaks

    peaks, _ = find_peaks(density, prominence=PROMINENT * density.max())
    return grid[peaks]


CHECKS = (
    Check("returns", "reward", "not measured", spread),
    Check("groups of returns", "reward", "too few episodes to tell groups", groups),
)
