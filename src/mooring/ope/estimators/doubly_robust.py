"""The direct method and doubly robust estimates: values, corrected by importance-weighted temporal differences.

With w_t the product of the ratios up to step t, g_t the discount so far, and
d_t = r_t + discount_t V(next) - Q(obs, action), all below are V(start) + sum_t g_t W(w_t) d_t, for weights W:

    direct method   W = 0
    doubly robust   W = w                 Jiang & Li (2016), arXiv 1511.03722
    weighted        W = w / mean of w     Thomas & Brunskill (2016), arXiv 1604.00923
    SWITCH          W = w where w <= tau  Wang, Agarwal & Dudik (2017), arXiv 1612.01205, per decision
    shrinkage       W below w             Su, Dimakopoulou, Krishnamurthy & Dudik (2020), arXiv 1907.09623

This is their recursion written out, where V(next) is the value at the next row: the last row's, beyond which nothing
was logged, is the value of what was cut off. With true weights, errors of the values do not move doubly robust
estimates to first order, so `Values.influence` widens the intervals of those only that take weight away.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from jaxtyping import Float

from mooring.ope.contributions import Contributions
from mooring.ope.estimators.importance import sum_of_ratios
from mooring.ope.logs import Logs, Table, Values

Weighing = Callable[[Table, float], Table]
"""What takes the place of the weights, given them and a parameter: theirs where it is infinite, 0 where it is 0."""


def direct_method(logs: Logs, values: Values) -> Contributions:
    """The mean value of the first observations: as good as the values are. Its interval needs `Values.influence`."""
    return Contributions.mean(values.start, values.influence)


def doubly_robust(logs: Logs, values: Values) -> Contributions:
    """Unbiased where the ratios or the values are true. Without values it is per-decision importance sampling."""
    return _corrected(logs, values, logs.weight)


def weighted_doubly_robust(logs: Logs, values: Values) -> Contributions:
    """As doubly robust, with the weights of each step over their sum."""
    differences = logs.weight * logs.so_far * values.temporal_differences(logs)
    terms = np.concatenate([values.start[:, None], np.ones((len(logs), 1)), differences, logs.weight], axis=1)
    return Contributions(terms, mean_and_ratios)


def mean_and_ratios(sums: Float[np.ndarray, "*lead K"]) -> Float[np.ndarray, "*lead"]:
    """sums[0] / sums[1], and `sum_of_ratios` of the others."""
    return np.asarray(sums[..., 0] / sums[..., 1] + sum_of_ratios(sums[..., 2:]))


def switch(weight: Table, tau: float) -> Table:
    """The weight up to tau; 0, which leaves the rest to the values, above it."""
    return np.where(weight <= tau, weight, 0.0)


def shrink(weight: Table, strength: float) -> Table:
    """Optimistic shrinkage: s w / (w^2 + s), which grows up to sqrt(s) / 2 at w = sqrt(s), and falls beyond."""
    if np.isinf(strength):
        return weight
    return strength * weight / np.maximum(weight**2 + strength, np.finfo(float).tiny)


def clip(weight: Table, most: float) -> Table:
    """Pessimistic shrinkage: at most so much."""
    return np.minimum(weight, most)


def switch_doubly_robust(logs: Logs, values: Values, tau: float | None = None) -> Contributions:
    """Steps whose weight is above tau are left to the values: inf is doubly robust, 0 the direct method.

    Without tau it is chosen by `chosen_parameter`; the interval takes it as given.
    """
    return _reweighed(logs, values, switch, tau)


def shrunk_doubly_robust(logs: Logs, values: Values, strength: float | None = None) -> Contributions:
    """Optimistic shrinkage of the weights: inf is doubly robust, 0 the direct method; chosen where None."""
    return _reweighed(logs, values, shrink, strength)


def clipped_doubly_robust(logs: Logs, values: Values, most: float | None = None) -> Contributions:
    """Pessimistic shrinkage of the weights: inf is doubly robust, 0 the direct method; chosen where None."""
    return _reweighed(logs, values, clip, most)


def chosen_parameter(logs: Logs, values: Values, weighing: Weighing) -> float:
    """The parameter to go by, among inf, quantiles of the weights, and 0.

    Each smaller one brings more bias and less noise. By Lepski's rule, as in Su, Srinath & Krishnamurthy, "Adaptive
    estimator selection for off-policy evaluation" (2020), arXiv 2002.07729: the smallest whose interval
    of two standard errors agrees with those of all larger ones. Wang et al. compare variance with a bound of the bias
    by the range of rewards instead, which good values never reach.
    """
    candidates = [np.inf, *np.quantile(logs.weight[logs.present], np.linspace(1, 0.5, 21)), 0.0]
    low, high, chosen = -np.inf, np.inf, np.inf
    for candidate in candidates:
        parameter = candidate**2 if weighing is shrink else candidate
        estimate = _reweighed(logs, values, weighing, parameter)
        half = 2 * float(estimate.influence().std(ddof=1)) / len(logs) ** 0.5
        low, high = max(low, estimate.value - half), min(high, estimate.value + half)
        if low > high:
            break
        chosen = parameter
    return float(chosen)


def _reweighed(logs: Logs, values: Values, weighing: Weighing, parameter: float | None) -> Contributions:
    """With what the values' own error adds, by the largest share of weight that was taken away from any step.

    Where all of it is (the parameter is 0), that is the direct method's; where none, to first order nothing.
    """
    known = chosen_parameter(logs, values, weighing) if parameter is None else parameter
    weight = weighing(logs.weight, known)
    estimate = _corrected(logs, values, weight)
    if values.influence is None or np.isinf(known):
        return estimate
    kept = np.divide(weight.sum(0), logs.weight.sum(0), out=np.ones(logs.horizon), where=logs.weight.any(0))
    return replace(estimate, learned=(1 - float(kept.min())) * values.influence)


def _corrected(logs: Logs, values: Values, weight: Table) -> Contributions:
    return Contributions.mean(values.start + (weight * logs.so_far * values.temporal_differences(logs)).sum(1))
