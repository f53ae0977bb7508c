"""Bandits with continuous actions, and a target policy that takes one: rewards of logged actions near its own count.

Kallus & Zhou 2018, "Policy evaluation and optimization with continuous treatments", arXiv 1802.06037. With t the
target's action, a the logged one and mu its density, a row has the weight K((a - t) / h) / (h mu): importance sampling
whose target density is a kernel of bandwidth h about t. Of several entries of an action, kernels are multiplied. What a
kernel has beyond the bounds of actions is given to what lies within, as near a bound half of it would be lost.

The estimate has a bias of order h^2, which no interval knows of. Without a bandwidth, `chosen_bandwidth` takes one.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from jaxtyping import Float

from mooring.data.dataset import Dataset
from mooring.data.spaces import Discrete
from mooring.errors import BadInput, unknown
from mooring.ope.contributions import Contributions
from mooring.ope.estimators.bandits import check_single_step
from mooring.ope.intervals import student_t
from mooring.ope.logs import Logs, Values

Actions = Float[np.ndarray, "N A"]
Function = Callable[[Actions], Actions]

BANDWIDTHS = 0.05 * 2.0 ** (np.arange(11) / 2)  # standard deviations of the logged actions, up to 1.6; ours


def kernel_importance_sampling(
    logs: Logs, data: Dataset, target: Actions, bandwidth: float | None = None, kernel: str = "gaussian"
) -> Contributions:
    """The mean of weight times reward. `target` is the target's action in each row, `bandwidth` in standard deviations.

    Raises BadInput where episodes are longer than a step, actions are discrete or of another width, or the behavior
    policy's densities are not known.
    """
    form = lambda weight: Contributions.mean(weight * logs.returns)
    return _estimate(form, logs, data, target, bandwidth, kernel)


def weighted_kernel(
    logs: Logs, data: Dataset, target: Actions, bandwidth: float | None = None, kernel: str = "gaussian"
) -> Contributions:
    """As above, with weights over their sum: it does not change where all rewards grow alike."""
    form = lambda weight: Contributions.weighted(logs.returns, weight)
    return _estimate(form, logs, data, target, bandwidth, kernel)


def doubly_robust_kernel(
    logs: Logs,
    data: Dataset,
    target: Actions,
    values: Values,
    bandwidth: float | None = None,
    kernel: str = "gaussian",
) -> Contributions:
    """The mean of r(x, t) + weight (reward - r(x, a)), with r the reward model of `bandits.reward_values`."""
    left = values.temporal_differences(logs)[:, 0]
    form = lambda weight: Contributions.mean(values.start + weight * left)
    return _estimate(form, logs, data, target, bandwidth, kernel)


def kernel_weights(
    logs: Logs, data: Dataset, target: Actions, bandwidth: float, kernel: str = "gaussian"
) -> Float[np.ndarray, " E"]:
    """The weight of each row, for a bandwidth in standard deviations of each entry of the logged actions."""
    check_single_step(logs)
    if isinstance(data.action_space, Discrete) or target.shape != data.action.shape:
        found = f"actions {data.action_space}, the target's of shape {target.shape}"
        raise BadInput(data.name, found, "continuous ones, and one of the target's for each row")
    if logs.log_behavior is None:
        raise BadInput("kernel estimate", "the behavior policy's densities are not known", fix="have them estimated")
    if not bandwidth > 0:
        raise BadInput("bandwidth", f"found {bandwidth:g}", "above 0")
    density, below = _kernel(kernel)
    action, target = data.action.astype(np.float64), target.astype(np.float64)
    width = bandwidth * np.maximum(action.std(0), 1e-12)
    within = below((data.action_space.high - target) / width) - below((data.action_space.low - target) / width)
    near = density((action - target) / width) / width / within
    return near.prod(1) / np.exp(logs.log_behavior[:, 0])


def chosen_bandwidth(estimate: Callable[[float], Contributions]) -> float:
    """A third of the largest bandwidth whose 95 % t interval meets those of all smaller ones (Lepski's rule).

    Larger bandwidths have narrower intervals (where one has not, the search ends) that bias moves away from the truth;
    one that no longer meets a wider interval has left it (Su, Srinath & Krishnamurthy 2020, arXiv 2002.07729). At that
    bandwidth itself the bias is as large as the interval, and 15 to 70 % of intervals covered in a simulated problem
    with 300 and 2,000 rows; at a third of it the bias is a ninth, and 89 to 95 % did.
    """
    low, high, chosen, narrowest = -np.inf, np.inf, BANDWIDTHS[0], np.inf
    for bandwidth in BANDWIDTHS:
        found = student_t(estimate(bandwidth))
        low, high = max(low, found.low), min(high, found.high)
        if low > high or found.high - found.low > narrowest:
            break
        chosen, narrowest = bandwidth, found.high - found.low
    return float(chosen / 3)


def _estimate(
    form: Callable[[Float[np.ndarray, " E"]], Contributions],
    logs: Logs,
    data: Dataset,
    target: Actions,
    bandwidth: float | None,
    kernel: str,
) -> Contributions:
    def at(width: float) -> Contributions:
        return form(kernel_weights(logs, data, target, width, kernel))

    if bandwidth is None:
        bandwidth = chosen_bandwidth(lambda width: at(width).by_group(logs.groups))
    return at(bandwidth)


def _kernel(name: str) -> tuple[Function, Function]:
    """Density and CDF."""
    from scipy.special import ndtr

    known: dict[str, tuple[Function, Function]] = {
        "gaussian": (_bell, ndtr),
        "epanechnikov": (_parabola, _below_parabola),
    }
    if name not in known:
        raise unknown("kernel", name, known)
    return known[name]


def _bell(u: Actions) -> Actions:
    return np.exp(-(u**2) / 2) / math.sqrt(2 * math.pi)


def _parabola(u: Actions) -> Actions:
    return 0.75 * np.maximum(1 - u**2, 0)


def _below_parabola(u: Actions) -> Actions:
    inside = np.clip(u, -1, 1)
    return 0.5 + 0.75 * inside - 0.25 * inside**3
