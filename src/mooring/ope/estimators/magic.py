"""MAGIC: a blend of weighted doubly robust estimates that trust the values after ever more steps.

Thomas & Brunskill, "Data-efficient off-policy policy evaluation for reinforcement learning" (2016), arXiv 1604.00923.
The j-step return is that of the weighted doubly robust estimate whose corrections end after step j: the
direct method before the first step, all corrections at the last.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from mooring.ope.contributions import Contributions
from mooring.ope.estimators.doubly_robust import mean_and_ratios, weighted_doubly_robust
from mooring.ope.intervals import student_t
from mooring.ope.logs import Logs, Values

RETURNS = 50


def magic(logs: Logs, values: Values, level: float = 0.9) -> Contributions:
    """The blend with the least estimated mean squared error.

    A return's bias is taken to be its distance from the interval, of that level, of the one with all corrections.
    Departure: that interval is Student's t where they take percentiles of a bootstrap. Intervals of the blend take
    its shares as given; what the values' own error adds is counted for all shares but that of all corrections.
    """
    shares = blending(logs, values, level)
    still = np.cumsum(shares[::-1])[::-1][1:]  # the share of returns that correct step t
    corrections = logs.weight * logs.so_far * values.temporal_differences(logs) * still
    terms = np.concatenate([values.start[:, None], np.ones((len(logs), 1)), corrections, logs.weight], axis=1)
    learned = None if values.influence is None else (1 - shares[-1]) * values.influence
    return Contributions(terms, mean_and_ratios, learned)


def blending(logs: Logs, values: Values, level: float = 0.9) -> Float[np.ndarray, " J"]:
    """The share of each of the J = T + 1 returns, from none to all corrections: positive, of sum 1.

    At most 50 of them, spread evenly, have any.
    """
    returns, influence = partial_returns(logs, values)
    sure = student_t(weighted_doubly_robust(logs, values), level)
    bias = np.maximum(np.maximum(sure.low - returns, returns - sure.high), 0)
    errors = np.concatenate([influence / np.sqrt(len(logs) * (len(logs) - 1.0)), bias[None]])
    shares, picked = np.zeros_like(returns), np.unique(np.linspace(0, logs.horizon, RETURNS).round().astype(int))
    shares[picked] = least_norm_blend(errors[:, picked])
    return shares


def partial_returns(logs: Logs, values: Values) -> tuple[Float[np.ndarray, " J"], Float[np.ndarray, "E J"]]:
    """The j-step returns, and how much each episode moves them, to first order."""
    differences = logs.weight * logs.so_far * values.temporal_differences(logs)
    below = logs.weight.mean(0)
    none = np.zeros_like(below)
    corrections = np.divide(differences.mean(0), below, out=none.copy(), where=below > 0)
    moved = np.divide(differences - corrections * logs.weight, below, out=np.zeros_like(differences), where=below > 0)
    start = values.start - values.start.mean()
    returns = values.start.mean() + np.concatenate([[0.0], np.cumsum(corrections)])
    influence = start[:, None] + np.concatenate([np.zeros((len(logs), 1)), np.cumsum(moved, axis=1)], axis=1)
    if values.influence is not None:
        influence[:, :-1] += values.influence[:, None]
    return returns, influence


def least_norm_blend(errors: Float[np.ndarray, "M K"]) -> Float[np.ndarray, " K"]:
    """The x >= 0 of sum 1 for which |errors x| is least.

    By non-negative least squares of |errors u|^2 + (sum u - 1)^2: the best length of u does not change which
    direction is best.
    """
    from scipy.optimize import nnls

    scale = np.sqrt((errors**2).sum(0)).max()
    rows = np.concatenate([errors / scale if scale > 0 else errors, np.ones((1, errors.shape[1]))])
    found = nnls(rows, np.append(np.zeros(len(errors)), 1.0))[0]
    return np.asarray(found / found.sum())
