"""Methods over several tasks, and one method against another.

What Agarwal et al. propose to report ("Deep reinforcement learning at the edge of the statistical precipice", 2021,
arXiv:2108.13264): aggregates over tasks, optimality gaps, performance profiles, probabilities of improvement and
curves of sample efficiency. Their intervals are percentile bootstraps, which are far too narrow for a few runs (at 3 to
a side, one of a probability of improvement of 0.98 held it in 11 % of trials). Ours were chosen by simulation. What is
said below to be held is by 95 % intervals at 3 to 10 seeds and 1 to 10 tasks (`benchmarks/interval_coverage.py`; all
figures are in docs/statistics.md), of normal runs where nothing else is said. Where a tenth of the runs collapses and
most seeds do not show it, no interval of a mean, a gap or a difference on a few tasks holds.

Tasks are given, not drawn: intervals are about seeds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Num

from mooring.errors import BadInput
from mooring.evaluation.statistics import Estimate, Statistic, bootstrap, iqm, median, summarize, t_interval, welch

Runs = Mapping[str, Num[np.ndarray, "_"]]
"""A method's run scores by task: one number for each seed, its mean return or score over episodes."""

Curve = tuple[Num[np.ndarray, "_"], Num[np.ndarray, "_ _"]]
"""K steps, and at each of them a run score of every seed: (K,) and (K, seeds)."""

EXPERT = 100.0
"""An expert's score."""


class Band(NamedTuple):
    """A value and its interval at each of K places."""

    at: Float[np.ndarray, " K"]
    value: Float[np.ndarray, " K"]
    low: Float[np.ndarray, " K"]
    high: Float[np.ndarray, " K"]


def aggregate(runs: Runs, statistic: Statistic = iqm, level: float = 0.95) -> Estimate:
    """One number for all tasks: the IQM or the mean of all run scores, or the median over tasks of their means.

    On a single task it is `summarize`. Over several it is `bootstrap`, for the median with only (seeds - 1) degrees of
    freedom, since it may rest on one task's seeds. The IQM is held in 93 to 96 % of trials (of skewed runs in 93 to
    98 %), the median in 94 to 100 % (89 to 98 %), the mean in 94 to 96 % (88 to 94 %).

    Raises BadInput where tasks have different numbers of seeds or a score is not finite.
    """
    _checked(runs)
    if len(runs) == 1:
        return summarize(next(iter(runs.values())), statistic, level)
    counts = {len(scores) for scores in runs.values()}
    if len(counts) > 1:
        raise BadInput("seeds", f"between {min(counts)} and {max(counts)} by task", "as many on every task")
    scores = np.array(list(runs.values()), np.float64)[..., None]
    if statistic is median:
        return bootstrap(scores, partial(_median_of_means, len(runs)), level, freedom=max(counts) - 1.0)
    return bootstrap(scores, statistic, level)


def optimality_gap(runs: Runs, target: float = EXPERT, level: float = 0.95) -> Estimate:
    """How far runs fall short of the target on average: the mean over tasks of the mean of max(0, target - score).

    0 is best. The interval's half-width is that of the mean score, since cutting scores at the target can only bring
    them nearer to each other: so it is wider than it need be where many runs reach the target, and never a point
    only because the few that were seen did. It is held in 94 to 100 % of trials, of skewed runs too; by the spread of
    the shortfalls themselves it was in 38 %, at 3 seeds around 105. Raises BadInput where a score is not finite.
    """
    _checked(runs)
    gap = float(np.mean([np.maximum(target - scores, 0).mean() for scores in runs.values()]))
    whole = _mean_of_tasks(gap, list(runs.values()), len(runs), level)
    return whole if np.isinf(whole.low) else Estimate(gap, max(whole.low, 0.0), whole.high)


def mean_difference(first: Runs, second: Runs, level: float = 0.95) -> Estimate:
    """By how much the first method's mean is above the second's, on average over tasks, with Welch's t interval.

    It is held in 93 to 97 % of trials, of skewed runs too. Raises BadInput where the tasks are not the same or a score
    is not finite.
    """
    _paired(first, second)
    _checked(first)
    _checked(second)
    value = float(np.mean([first[task].mean() - second[task].mean() for task in first]))
    return _mean_of_tasks(value, [*first.values(), *second.values()], len(first), level)


def probability_of_improvement(first: Runs, second: Runs, level: float = 0.95) -> Estimate:
    """How probable it is that a run of the first method beats one of the second on a task drawn at random, in [0, 1].

    On each task the Mann-Whitney statistic: the share of pairs in which the first is higher, ties counting half. A run
    that is NaN has diverged, and loses against all that have not.

    The interval is Wilson's score interval for as many trials as there are tasks times the runs of the smaller side:
    no two distributions give the statistic a larger variance (Van Dantzig, 1951). It is held in 94 to 100 % of
    trials, skewed or collapsing runs among them, and in 92 % where it varies most: where a tenth of the runs loses
    against all others and the rest always wins. Where a side has one run on a task the interval is [0, 1].

    Raises BadInput where the tasks are not the same.
    """
    _paired(first, second)
    share = float(np.mean([_mann_whitney(first[task], second[task]) for task in first]))
    fewest = min(len(scores) for runs in (first, second) for scores in runs.values())
    return _wilson(share, len(first) * fewest, level) if fewest > 1 else Estimate(share, 0.0, 1.0)


def performance_profile(runs: Runs, thresholds: Num[np.ndarray, " K"], level: float = 0.95) -> Band:
    """The share of runs whose score is above each threshold, tasks counting alike. A run that is NaN is above none.

    The interval at each threshold is Clopper and Pearson's (1934), exact for one task; over several, whose shares
    differ, the count varies less than a binomial one (Hoeffding, 1956). It is held in 95 to 100 % of trials, skewed
    or collapsing runs among them, at each threshold by itself: not all of the curve at once.
    """
    from scipy.special import betaincinv

    _present(runs)
    share = np.mean([(scores[:, None] > thresholds).mean(axis=0) for scores in runs.values()], axis=0)
    trials = len(runs) * min(len(scores) for scores in runs.values())
    above, tail = share * trials, (1 - level) / 2
    low = np.where(above > 0, betaincinv(np.maximum(above, 1e-12), trials - above + 1, tail), 0.0)
    high = np.where(above < trials, betaincinv(above + 1, np.maximum(trials - above, 1e-12), 1 - tail), 1.0)
    return Band(np.asarray(thresholds, np.float64), share, low, high)


def sample_efficiency(curves: Mapping[str, Curve], statistic: Statistic = iqm, level: float = 0.95) -> Band:
    """`aggregate` at each step at which every task's runs were evaluated; NaN where a run had diverged by then.

    Raises BadInput where there is no such step.
    """
    shared = sorted(set.intersection(*(set(steps.tolist()) for steps, _ in curves.values())))
    if not shared:
        raise BadInput("curves", f"of {', '.join(curves)} were evaluated at no common step", "a step that all have")
    estimates = []
    for step in shared:
        runs = {task: scores[np.flatnonzero(steps == step)[0]] for task, (steps, scores) in curves.items()}
        finite = all(np.isfinite(scores).all() for scores in runs.values())
        estimates.append(aggregate(runs, statistic, level) if finite else Estimate(np.nan, np.nan, np.nan))
    value, low, high = np.array([(each.value, each.low, each.high) for each in estimates], np.float64).T
    return Band(np.array(shared, np.float64), value, low, high)


def _median_of_means(tasks: int, runs: Float[np.ndarray, "*lead N"]) -> Float[np.ndarray, "*lead"]:
    return median(runs.reshape(*runs.shape[:-1], tasks, -1).mean(-1))


def _mean_of_tasks(value: float, cells: Sequence[Num[np.ndarray, "_"]], tasks: int, level: float) -> Estimate:
    """An interval around a sum or difference of the cells' means over the number of tasks."""
    counts = np.array([len(cell) for cell in cells])
    if counts.min() == 1:
        return Estimate(value, -np.inf, np.inf)
    variances = np.array([cell.var(ddof=1) for cell in cells]) / counts / tasks**2
    return t_interval(value, float(variances.sum() ** 0.5), welch(variances, counts - 1.0), level)


def _mann_whitney(first: Num[np.ndarray, " n"], second: Num[np.ndarray, " m"]) -> float:
    one, other = (np.where(np.isnan(scores), -np.inf, scores) for scores in (first[:, None], second))
    return float(((one > other) + 0.5 * (one == other)).mean())


def _wilson(share: float, trials: int, level: float) -> Estimate:
    """Wilson 1927: all probabilities that lie within z of their own standard errors of the share."""
    from scipy.special import ndtri

    z = float(ndtri(0.5 + level / 2))
    middle = (share + z**2 / (2 * trials)) / (1 + z**2 / trials)
    half = z / (1 + z**2 / trials) * (share * (1 - share) / trials + (z / (2 * trials)) ** 2) ** 0.5
    return Estimate(share, max(middle - half, 0.0), min(middle + half, 1.0))


def _paired(first: Runs, second: Runs) -> None:
    _present(first)
    _present(second)
    if set(first) != set(second):
        apart = ", ".join(sorted(set(first) ^ set(second)))
        raise BadInput("comparison", f"only one of the two methods was run on {apart}", "the same tasks")


def _present(runs: Runs) -> None:
    if not runs or not all(len(scores) for scores in runs.values()):
        raise BadInput("scores", "there are none", "at least one on every task")


def _checked(runs: Runs) -> None:
    _present(runs)
    lost = {task: int((~np.isfinite(scores)).sum()) for task, scores in runs.items()}
    for task, count in lost.items():
        if count:
            raise BadInput(f"scores on {task}", f"{count} of {len(runs[task])} are not finite", "finite ones")
