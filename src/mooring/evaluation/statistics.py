"""Scores and how sure they are: interquartile means, t and bootstrap intervals.

A *run score* is the mean return over the evaluation episodes of one trained policy. Statistics are taken over run
scores, as Agarwal et al. do ("Deep reinforcement learning at the edge of the statistical precipice", 2021,
arXiv:2108.13264), whose IQM this is.

The unit that an interval generalizes over is the seed where there are two or more: what one wants to know of a
learning method is how it does when it is run again, and episodes of one policy say nothing on that. With a
single seed the unit is the episode, and the interval speaks of that one policy only.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Num

from mooring.errors import BadInput

Scores = Num[np.ndarray, "..."]
Statistic = Callable[[Float[np.ndarray, "*lead N"]], Float[np.ndarray, "*lead"]]
"""A number for the N values on the last axis, for each place on the axes before it."""


@dataclass(frozen=True)
class Estimate:
    """A value and its confidence interval, in the units of the scores. Infinite where a single number was seen."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.1f} [{self.low:.1f}, {self.high:.1f}]"


def mean(values: Float[np.ndarray, "*lead N"]) -> Float[np.ndarray, "*lead"]:
    """The mean over the last axis."""
    return np.asarray(values.mean(-1))


def median(values: Float[np.ndarray, "*lead N"]) -> Float[np.ndarray, "*lead"]:
    """The median over the last axis."""
    return np.asarray(np.median(values, axis=-1))


def iqm(values: Float[np.ndarray, "*lead N"]) -> Float[np.ndarray, "*lead"]:
    """The interquartile mean over the last axis: the lowest and the highest quarter, rounded down, are left out."""
    cut = values.shape[-1] // 4
    middle = np.sort(values, axis=-1)[..., cut : values.shape[-1] - cut]
    return np.asarray(middle.mean(-1))


_WIDER: dict[Statistic, float] = {median: (np.pi / 2) ** 0.5}
"""The error of a statistic over that of the mean, where it is much larger."""


def summarize(scores: Scores, statistic: Statistic = iqm, level: float = 0.95) -> Estimate:
    """The mean, the IQM or the median of one task's run scores, with a t interval.

    `scores` is (seeds, episodes) or (seeds,); or (episodes,) of one policy or of a data set, where the statistic
    should be `mean` and episodes count as independent draws. The interval is value +- t(n - 1) s / sqrt(n), with s
    the standard deviation of the n units. For the mean of normal units it is exact.

    For the IQM it was chosen by simulation: at 4 seeds x 10 episodes, both effects normal and of equal spread, it
    held the truth in 94 % of 4,000 trials (the mean: 95 %). A percentile bootstrap of seeds held it in 89 % (80 %),
    one of seeds and of episodes within them in 91 % (85 %), BCa in 89 % (81 %), `bootstrap` in 98 % (94 %). The
    median's is wider by sqrt(pi / 2), the ratio of its error to the mean's among many normal units; without that it
    held the truth in 91 to 93 % at 10 seeds. No interval here knows of a rare collapse that none of the few seeds met.

    Raises BadInput where a score is not finite.
    """
    runs, units = _runs_and_units(_checked(scores))
    value = float(statistic(runs))
    if len(units) == 1:
        return Estimate(value, -np.inf, np.inf)
    error = _WIDER.get(statistic, 1.0) * float(units.std(ddof=1)) / len(units) ** 0.5
    return t_interval(value, error, len(units) - 1.0, level)


def bootstrap(
    scores: Scores,
    statistic: Statistic = iqm,
    level: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
    freedom: float | None = None,
) -> Estimate:
    """Any statistic of run scores pooled over tasks, with a t interval around a stratified bootstrap's error.

    `scores` is (tasks, seeds, episodes). Each resample draws units within each task: tasks are strata, and are not
    drawn. The bootstrap's standard error is enlarged by sqrt(n / (n - 1)) for n units per task, and the degrees of
    freedom are Welch and Satterthwaite's where `freedom` names none. At 10 tasks x 4 seeds x 10 episodes it held the
    truth in 95 % (IQM) and 96 % (mean) of 1,500 trials, a percentile bootstrap of seeds and episodes in 92 %.

    Raises BadInput where a score is not finite.
    """
    scores = _checked(scores)
    value = float(statistic(scores.mean(-1).ravel()))
    one_seed = scores.shape[1] == 1
    units = scores[:, 0] if one_seed else scores.mean(-1)
    tasks, count = units.shape
    if count == 1:
        return Estimate(value, -np.inf, np.inf)
    rows = np.random.default_rng(seed).integers(count, size=(resamples, tasks, count))
    drawn = np.take_along_axis(units[None], rows, axis=-1)
    runs = drawn.mean(-1) if one_seed else drawn.reshape(resamples, -1)
    error = statistic(runs).std() * (count / (count - 1)) ** 0.5
    return t_interval(value, float(error), freedom or welch(units.var(axis=1, ddof=1), count - 1.0), level)


def welch(variances: Float[np.ndarray, " M"], freedom: Float[np.ndarray, " M"] | float) -> float:
    """Degrees of freedom of a sum of independent means' variances: Satterthwaite 1946, Welch 1947. 1 of no variance."""
    return float(variances.sum() ** 2 / (variances**2 / freedom).sum()) if variances.any() else 1.0


def t_interval(value: float, error: float, freedom: float, level: float) -> Estimate:
    """value +- t(freedom) times its standard error."""
    from scipy.special import stdtrit

    half = float(stdtrit(freedom, 0.5 + level / 2)) * error
    return Estimate(value, value - half, value + half)


def _runs_and_units(
    scores: Float[np.ndarray, "..."],
) -> tuple[Float[np.ndarray, " R"], Float[np.ndarray, " U"]]:
    """The run scores, and the numbers whose spread the interval is made from."""
    if scores.ndim == 1:
        return scores, scores
    runs = scores.mean(-1)
    return runs, scores[0] if len(runs) == 1 else runs


def _checked(scores: Scores) -> Float[np.ndarray, "..."]:
    if scores.size == 0:
        raise BadInput("scores", "there are none", "at least one")
    if not np.isfinite(scores).all():
        raise BadInput("scores", f"{(~np.isfinite(scores)).sum()} of {scores.size} are not finite", "finite returns")
    return scores.astype(np.float64)
