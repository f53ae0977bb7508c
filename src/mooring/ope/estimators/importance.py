"""Importance sampling: returns, weighted by how much likelier the target policy makes the actions that led to them.

Precup, Sutton & Singh, "Eligibility traces for off-policy policy evaluation" (2000); the weighted per-decision
form as in Thomas & Brunskill (2016), arXiv 1604.00923, whose episodes go on without reward when they have ended.

With w_t the product of the ratios up to step t, g_t the discount so far, and n episodes:

    trajectory    mean of w_T * sum_t g_t r_t                     "is"
    weighted      the same over the mean of w_T                   "wis"
    per decision  mean of sum_t w_t g_t r_t                       "pdis"
    weighted      sum_t (sum_i w_it g_it r_it) / (sum_i w_it)     "wpdis"
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from mooring.ope.contributions import Contributions
from mooring.ope.logs import Logs


def importance_sampling(logs: Logs) -> Contributions:
    """Unbiased where the behavior's probabilities are true; its variance grows exponentially with the horizon."""
    return Contributions.mean(logs.weight[:, -1] * logs.returns)


def weighted_importance_sampling(logs: Logs) -> Contributions:
    """As trajectory importance sampling, with weights over their sum: bounded by the returns that were seen."""
    return Contributions.weighted(logs.returns, logs.weight[:, -1])


def per_decision(logs: Logs) -> Contributions:
    """Each reward is weighted by the actions before it only: unbiased, with less variance."""
    return Contributions.mean((logs.weight * logs.so_far * logs.reward).sum(1))


def weighted_per_decision(logs: Logs) -> Contributions:
    """As per decision, with the weights of each step over their sum."""
    rewards = logs.weight * logs.so_far * logs.reward
    return Contributions(np.concatenate([rewards, logs.weight], axis=1), sum_of_ratios)


def sum_of_ratios(sums: Float[np.ndarray, "*lead K"]) -> Float[np.ndarray, "*lead"]:
    """sum over t of sums[t] / sums[T + t]; a step where no weight is left adds nothing."""
    steps = sums.shape[-1] // 2
    above, below = sums[..., :steps], sums[..., steps:]
    return np.asarray(np.divide(above, below, out=np.zeros_like(above), where=below != 0).sum(-1))


def effective_size(logs: Logs) -> float:
    """Kish's: (sum w)^2 / sum w^2 of whole episodes' weights: as many episodes of the target policy tell as much.

    Groups of episodes count as one. 0 where every weight is 0.
    """
    whole = logs.log_ratio.sum(1)
    if not (whole > -np.inf).any():
        return 0.0
    weights = np.bincount(logs.groups, np.exp(whole - whole.max()))  # relative, so that none is too large for a number
    return float(weights.sum()) ** 2 / float((weights**2).sum())
