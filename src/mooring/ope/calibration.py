"""Whether estimated probabilities of actions are true: how often what was given a chance was done.

Discrete actions: of all pairs of row and action, those that were given about the same probability are a bin, and the
share of them that was taken should be that probability (a reliability diagram). Bins hold equal shares of the total
probability rather than of the pairs, since most pairs of many actions are hardly ever taken.

Continuous actions: the rank of each logged action's entry among draws for the same observation, which is uniform
where the density is true (the probability integral transform, Dawid 1984). Entries are looked at one by one, so how
they go together is not judged.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

BINS = 10
TOLERANCE = 0.1  # of a bin's probability, beyond its interval: that much each step's ratio is off; ours
STRAY = 0.05  # of the ranks' CDF from uniform, beyond what chance explains; ours
Z = 1.959964  # of 95 % intervals


@dataclass(frozen=True, eq=False)
class Reliability:
    """By bin of predicted probability: its mean, the share that was taken, that one's 95 % interval, and the count."""

    predicted: Float[np.ndarray, " B"]
    taken: Float[np.ndarray, " B"]
    low: Float[np.ndarray, " B"]
    high: Float[np.ndarray, " B"]
    count: Int[np.ndarray, " B"]

    @classmethod
    def of(cls, probability: Float[np.ndarray, "N A"], action: Int[np.ndarray, " N"]) -> Reliability:
        """Of the predicted probability of every action, and the actions that were taken."""
        given = probability.ravel()
        taken = (np.arange(probability.shape[1]) == action[:, None]).ravel()
        order = np.argsort(given, kind="stable")
        mass = np.cumsum(given[order])
        place = np.empty(len(order), np.int64)
        place[order] = np.minimum((BINS * (mass - given[order]) / mass[-1]).astype(np.int64), BINS - 1)
        count = np.bincount(place, minlength=BINS)
        full = count > 0
        sums = (np.bincount(place, column, BINS)[full] / count[full] for column in (given, taken))
        predicted, share = sums
        return cls(predicted, share, *wilson(share, count[full]), count[full])

    @property
    def error(self) -> float:
        """The expected calibration error: the mean of |taken - predicted|, by count (Naeini et al. 2015)."""
        return float(np.average(np.abs(self.taken - self.predicted), weights=self.count))

    @property
    def off(self) -> Float[np.ndarray, " B"]:
        """How far each predicted probability is outside of its interval, as a share of itself."""
        beyond = np.maximum(self.low - self.predicted, self.predicted - self.high)
        return np.maximum(beyond, 0) / np.maximum(self.predicted, np.finfo(float).tiny)

    @property
    def calibrated(self) -> bool:
        """Whether every bin's probability is within a tenth of its interval."""
        return bool((self.off <= TOLERANCE).all())

    @property
    def reason(self) -> str:
        """The bin that is the farthest off, in words."""
        worst = int(np.argmax(self.off))
        low, high = self.low[worst], self.high[worst]
        return (
            f"actions that were given {self.predicted[worst]:.2g} "
            f"were taken in {self.taken[worst]:.2g} [{low:.2g}, {high:.2g}] of cases"
        )


@dataclass(frozen=True, eq=False)
class Ranks:
    """The ranks of N logged actions among draws, from 0 to 1, for each entry of the action."""

    ranks: Float[np.ndarray, "N A"]

    @classmethod
    def of(cls, action: Float[np.ndarray, "N A"], draws: Float[np.ndarray, "M N A"], rng: np.random.Generator) -> Ranks:
        """Ties (at a bound, say) are broken by chance, so that ranks of a true density are uniform with atoms too."""
        below, level = (draws < action).sum(0), (draws == action).sum(0)
        return cls((below + rng.uniform(size=action.shape) * (level + 1)) / (len(draws) + 1))

    @property
    def stray(self) -> Float[np.ndarray, " A"]:
        """The largest distance of each entry's CDF from the uniform one (Kolmogorov's)."""
        ordered, count = np.sort(self.ranks, axis=0), len(self.ranks)
        steps = np.arange(count + 1)[:, None] / count
        return np.asarray(np.maximum(steps[1:] - ordered, ordered - steps[:-1]).max(0))

    @property
    def calibrated(self) -> bool:
        """Whether each entry's CDF is uniform, but for 0.05 and what 95 % of samples stray by."""
        return bool((self.stray <= STRAY + math.sqrt(math.log(2 / 0.05) / (2 * len(self.ranks)))).all())

    @property
    def reason(self) -> str:
        """The entry that strays the farthest, in words."""
        worst = int(np.argmax(self.stray))
        return f"the ranks of entry {worst} of the action stray from uniform by {self.stray[worst]:.2f}"

    def histogram(self) -> Float[np.ndarray, "A B"]:
        """The share of ranks in each of ten equal bins, by entry: a tenth in each where all is well."""
        place = np.minimum((BINS * self.ranks).astype(np.int64), BINS - 1)
        return np.stack([np.bincount(entry, minlength=BINS) / len(place) for entry in place.T])


Calibration = Reliability | Ranks


def wilson(
    share: Float[np.ndarray, " B"], count: Int[np.ndarray, " B"]
) -> tuple[Float[np.ndarray, " B"], Float[np.ndarray, " B"]]:
    """The 95 % interval of a share of `count` cases (Wilson 1927), which holds near 0 and 1 too."""
    middle = (share + Z**2 / (2 * count)) / (1 + Z**2 / count)
    half = Z / (1 + Z**2 / count) * np.sqrt(share * (1 - share) / count + Z**2 / (4 * count**2))
    return middle - half, middle + half
