"""Intervals of off-policy estimates: each a function of `Contributions`, by name in `INTERVALS`.

The units that an interval generalizes over are those of the contributions: episodes, users (`by_group`), or
blocks of a stream that never ends (`logs.in_blocks`).
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from jaxtyping import Float

from mooring.errors import BadInput
from mooring.evaluation.statistics import Estimate
from mooring.ope.contributions import Contributions

RESAMPLES = 2000


def student_t(estimate: Contributions, level: float = 0.95) -> Estimate:
    """value +- t(U - 1) s / sqrt(U), with s the standard deviation of the units' influence."""
    from scipy.special import stdtrit

    units = len(estimate)
    half = float(stdtrit(units - 1.0, 0.5 + level / 2)) * standard_error(estimate)
    return Estimate(estimate.value, estimate.value - half, estimate.value + half)


def studentized_bootstrap(
    estimate: Contributions, level: float = 0.95, resamples: int = RESAMPLES, seed: int = 0
) -> Estimate:
    """Bootstrap-t (Efron 1982): quantiles of (resampled - estimate) / its own standard error, turned around.

    The error of each resample is that of its influence values, taken at the sample's own: exact for a mean.
    """
    counts = resampled_counts(len(estimate), resamples, seed)
    influence = estimate.influence()
    first = counts @ influence / len(estimate)
    spread = np.sqrt(np.maximum(counts @ influence**2 / len(estimate) - first**2, 0) / len(estimate))
    t = _quotient(estimate.replicates(counts) - estimate.value, spread)
    low, high = np.quantile(t, [0.5 + level / 2, 0.5 - level / 2])
    error = influence.std() / math.sqrt(len(estimate))
    return Estimate(estimate.value, float(estimate.value - low * error), float(estimate.value - high * error))


def bca_bootstrap(estimate: Contributions, level: float = 0.95, resamples: int = RESAMPLES, seed: int = 0) -> Estimate:
    """Bias-corrected and accelerated percentiles (Efron 1987, "Better bootstrap confidence intervals", eq. 6.4)."""
    from scipy.special import ndtr, ndtri

    drawn = estimate.replicates(resampled_counts(len(estimate), resamples, seed))
    below = ((drawn < estimate.value).mean() + (drawn <= estimate.value).mean()) / 2
    shift = ndtri(np.clip(below, 1 / resamples, 1 - 1 / resamples))
    influence = estimate.influence()
    skew = _quotient((influence**3).sum(keepdims=True), (influence**2).sum(keepdims=True) ** 1.5)
    acceleration = float(skew[0]) / 6
    z = shift + ndtri([0.5 - level / 2, 0.5 + level / 2])
    low, high = np.quantile(drawn, ndtr(shift + z / (1 - acceleration * z)))
    return Estimate(estimate.value, float(low), float(high))


def hoeffding(estimate: Contributions, level: float = 0.95, *, span: float) -> Estimate:
    """Hoeffding's inequality (1963) on each side: span * sqrt(log(2 / (1 - level)) / (2 U)). Holds at every size.

    `span` is the width of the range that one unit's number can lie in: the largest weight that is possible, not the
    largest that was seen, times the width of the returns. For plain means only.
    """
    values = _plain(estimate, span)
    half = span * math.sqrt(math.log(2 / (1 - level)) / (2 * len(values)))
    return Estimate(estimate.value, estimate.value - half, estimate.value + half)


def empirical_bernstein(estimate: Contributions, level: float = 0.95, *, span: float) -> Estimate:
    """Maurer & Pontil (2009), arXiv 0907.3740, theorem 4, on each side: it also holds at every size.

    With L = log(4 / (1 - level)): sqrt(2 V L / U) + 7 span L / (3 (U - 1)), V the sample variance; `span` as of
    `hoeffding`, which it beats where the variance is far below what the span allows.
    """
    values = _plain(estimate, span)
    log = math.log(4 / (1 - level))
    half = math.sqrt(2 * values.var(ddof=1) * log / len(values)) + 7 * span * log / (3 * (len(values) - 1))
    return Estimate(estimate.value, estimate.value - half, estimate.value + half)


def of_members(value: float, members: Float[np.ndarray, " M"], level: float) -> Estimate:
    """The value +- t(M - 1) times the standard deviation of the members' own, each of a resample of the episodes.

    Raises BadInput where there is one member only.
    """
    from scipy.special import stdtrit

    if len(members) < 2:
        raise BadInput("a bootstrap's interval", "one member has no spread", "at least two members")
    half = float(stdtrit(len(members) - 1.0, 0.5 + level / 2) * members.std(ddof=1))
    return Estimate(value, value - half, value + half)


INTERVALS: dict[str, Callable[..., Estimate]] = {
    "t": student_t,
    "studentized": studentized_bootstrap,
    "bca": bca_bootstrap,
    "hoeffding": hoeffding,
    "bernstein": empirical_bernstein,
}


def standard_error(estimate: Contributions) -> float:
    """The standard deviation of the units' influence over the root of their number."""
    return float(estimate.influence().std(ddof=1)) / math.sqrt(len(estimate))


def resampled_counts(units: int, resamples: int, seed: int) -> Float[np.ndarray, "R U"]:
    """How often each unit is drawn in each resample."""
    rng = np.random.default_rng(seed)
    return rng.multinomial(units, np.full(units, 1 / units), size=resamples).astype(np.float64)


def _plain(estimate: Contributions, span: float) -> Float[np.ndarray, " U"]:
    """The units' own numbers, where the estimate is their mean and all are in the span."""
    count = estimate.terms[:, -1]
    if estimate.terms.shape[1] != 2 or not (count == count[0]).all() or estimate.learned is not None:
        raise BadInput("interval", "the estimate is not a plain mean over its units", fix="take t or a bootstrap")
    values = estimate.terms[:, 0] / count
    if not np.ptp(values) <= span:
        raise BadInput("span", f"{span:g}, but the units' numbers spread over {np.ptp(values):g}", "at least that")
    return values


def _quotient(above: Float[np.ndarray, " N"], below: Float[np.ndarray, " N"]) -> Float[np.ndarray, " N"]:
    """Their quotient; 0 where nothing varies."""
    return np.asarray(np.divide(above, below, out=np.zeros_like(above), where=below > 0))
