"""The distribution of returns under the target policy: its CDF, quantiles, lower tail and variance.

Chandak et al. 2021, "Universal off-policy evaluation", arXiv 2104.12820: the CDF (their equation 3) weighs each
episode's return by the likelihood ratio of the whole episode, and other functionals are those of that CDF. Huang et
al. 2021, "Off-policy risk assessment in contextual bandits", arXiv 2104.08977, clip it at 1, as `cdf_band` does here.

`normalized` divides the weights by their own sum, so that the CDF ends at 1; without it it is unbiased, and may end
elsewhere. Where every weight is 0 nothing is known, and all values are 0: see `importance.effective_size`.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from mooring.errors import BadInput
from mooring.ope.contributions import Contributions, ratio
from mooring.ope.intervals import RESAMPLES, resampled_counts, standard_error
from mooring.ope.logs import Logs

ROUNDING = 1e-12  # a CDF this near below a share has reached it: sums of weights are rounded
BLOCK = 256  # resamples at a time


def cdf(logs: Logs, value: float, *, normalized: bool = True) -> Contributions:
    """The probability that a return of the target policy is at most `value`."""
    return _weighted(logs, (logs.returns <= value).astype(np.float64), normalized)


def quantile(logs: Logs, share: float, *, normalized: bool = True) -> Contributions:
    """The least return whose CDF reaches `share` (the largest logged one, where none does).

    The influence of a unit on a quantile q is minus its influence on F(q), over the density there. The density is
    taken as 2 z s / (Q(share + z s) - Q(share - z s)), with s the standard error of F(q) and z = 1.96: so that a t
    interval is as wide as what the 95 % interval of F(q) turns into (Woodruff 1952), with atoms too.

    Raises BadInput where the share is not between 0 and 1.
    """
    value = _quantile(logs, _share(share), normalized)
    below = cdf(logs, value, normalized=normalized)
    reach = 1.96 * standard_error(below.by_group(logs.groups))
    low, high = (_quantile(logs, min(max(share + side * reach, 0.0), 1.0), normalized) for side in (-1, 1))
    slope, reached = ((high - low) / (2 * reach) if reach else 0.0), below.value
    return Contributions(below.terms, lambda sums: value - slope * (ratio(sums) - reached))


def cvar(logs: Logs, share: float, *, normalized: bool = True) -> Contributions:
    """The mean of the worst `share` of returns: of a return R with quantile q, q - E[max(q - R, 0)] / share.

    Rockafellar & Uryasev (2000) maximize that over q. So at the plug-in quantile what q itself adds to the error is
    of second order, and intervals may take it as known. A share of 1 is the mean.

    Raises BadInput where the share is not between 0 and 1.
    """
    value = _quantile(logs, _share(share), normalized)
    missing = np.maximum(value - logs.returns, 0) / share
    if normalized:
        return _weighted(logs, value - missing, normalized)
    return Contributions.mean(value - logs.weight[:, -1] * missing)


def variance(logs: Logs, *, normalized: bool = True) -> Contributions:
    """E[R^2] - E[R]^2, with divisor n. Without `normalized` it may be negative."""
    weight = logs.weight[:, -1]
    below = weight if normalized else np.ones(len(logs))
    terms = np.stack([weight * logs.returns**2, weight * logs.returns, below], axis=1)
    return Contributions(terms, lambda sums: ratio(sums[..., [0, 2]]) - ratio(sums[..., [1, 2]]) ** 2)


class Band(NamedTuple):
    """A CDF at K returns, in order, between two bounds; from each return to the next one all three are level."""

    returns: Float[np.ndarray, " K"]
    value: Float[np.ndarray, " K"]
    low: Float[np.ndarray, " K"]
    high: Float[np.ndarray, " K"]


def cdf_band(
    logs: Logs, level: float = 0.95, *, normalized: bool = True, resamples: int = RESAMPLES, seed: int = 0
) -> Band:
    """The CDF at every logged return, and a band of one width that holds all of it at once: by the bootstrap.

    The half width is the quantile of max |resampled CDF - CDF| over resamples of groups of episodes.
    """
    returns, first = np.unique(np.sort(logs.returns), return_index=True)
    order, weight = np.argsort(logs.returns, kind="stable"), logs.weight[:, -1]
    ends = np.append(first[1:], len(logs)) - 1

    def cdfs(times: Float[np.ndarray, "R E"]) -> Float[np.ndarray, "R K"]:
        so_far = np.cumsum((times * weight)[:, order], axis=1)
        total = so_far[:, -1:] if normalized else times.sum(1, keepdims=True)
        return np.divide(so_far[:, ends], total, out=np.zeros((len(times), len(ends))), where=total > 0)

    value = cdfs(np.ones((1, len(logs))))[0]
    counts = resampled_counts(int(logs.groups.max()) + 1, resamples, seed)
    blocks = (counts[start : start + BLOCK][:, logs.groups] for start in range(0, resamples, BLOCK))
    farthest = np.concatenate([np.abs(cdfs(block) - value).max(1) for block in blocks])
    return _band(returns, value, float(np.quantile(farthest, level)))


def behavior_cdf_band(logs: Logs, level: float = 0.95) -> Band:
    """The CDF of the behavior policy's own returns with the band of Dvoretzky, Kiefer, Wolfowitz and Massart (1990).

    Its half width sqrt(log(2 / (1 - level)) / (2 E)) holds at every size. Raises BadInput where episodes are grouped:
    it is for independent ones.
    """
    if int(logs.groups.max()) + 1 != len(logs):
        raise BadInput("CDF band", "episodes of one group depend on each other", fix="take cdf_band")
    returns, counts = np.unique(logs.returns, return_counts=True)
    half = math.sqrt(math.log(2 / (1 - level)) / (2 * len(logs)))
    return _band(returns, counts.cumsum() / len(logs), half)


def _weighted(logs: Logs, values: Float[np.ndarray, " E"], normalized: bool) -> Contributions:
    weight = logs.weight[:, -1]
    return Contributions.weighted(values, weight) if normalized else Contributions.mean(weight * values)


def _quantile(logs: Logs, share: float, normalized: bool) -> float:
    order, weight = np.argsort(logs.returns, kind="stable"), logs.weight[:, -1]
    total = weight.sum() if normalized else float(len(logs))
    if not weight.any():
        return 0.0
    place = np.searchsorted(np.cumsum(weight[order]) / total, share - ROUNDING)
    return float(logs.returns[order][min(int(place), len(logs) - 1)])


def _share(share: float) -> float:
    if not 0 < share <= 1:
        raise BadInput("share", f"found {share:g}", "above 0 and at most 1")
    return share


def _band(returns: Float[np.ndarray, " K"], value: Float[np.ndarray, " K"], half: float) -> Band:
    return Band(returns, np.minimum(value, 1), np.clip(value - half, 0, 1), np.clip(value + half, 0, 1))
