"""`Contributions`: an estimate as a function of sums over episodes, from which every interval follows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Int

Combine = Callable[[Float[np.ndarray, "*lead K"]], Float[np.ndarray, "*lead"]]


@dataclass(frozen=True, eq=False)
class Contributions:
    """What each of U independent units (episodes, or groups of them) adds to K sums, and what is made of the sums.

    `combine` takes sums (..., K) to estimates (...), and must not change when all sums are scaled alike: so a
    plain mean has the sums (of x, of 1), and a self-normalized estimate those of (w x, w). Whoever resamples, leaves
    out or weighs units only sums differently. `learned`, one number per unit, is what a unit adds to first order by
    having been learned from (see `Values.influence`); it has mean 0 and moves no value, only intervals.
    """

    terms: Float[np.ndarray, "U K"]
    combine: Combine
    learned: Float[np.ndarray, " U"] | None = None

    @classmethod
    def mean(cls, values: Float[np.ndarray, " U"], learned: Float[np.ndarray, " U"] | None = None) -> Contributions:
        """The mean of one number per unit."""
        return cls(np.stack([values, np.ones_like(values)], axis=1), ratio, learned)

    @classmethod
    def weighted(cls, values: Float[np.ndarray, " U"], weights: Float[np.ndarray, " U"]) -> Contributions:
        """The weighted mean, whose weights are divided by their own sum: biased, consistent, and far less noisy."""
        return cls(np.stack([values * weights, weights], axis=1), ratio)

    def __len__(self) -> int:
        return len(self.terms)

    @property
    def value(self) -> float:
        return float(self.combine(self.terms.sum(0)))

    def influence(self) -> Float[np.ndarray, " U"]:
        """How much each unit moves the estimate: (U - 1) (estimate - estimate without it), of mean 0.

        The jackknife's form of the influence function (Efron & Stein 1981): exact for a mean, first order otherwise.
        """
        without = self.combine(self.terms.sum(0) - self.terms)
        return (len(self) - 1) * (without.mean() - without) + self._learned()

    def replicates(self, counts: Float[np.ndarray, "R U"]) -> Float[np.ndarray, " R"]:
        """The estimate where unit u is seen counts[r, u] times."""
        return self.combine(counts @ self.terms) + counts @ self._learned() / len(self)

    def by_group(self, groups: Int[np.ndarray, " U"]) -> Contributions:
        """The same estimate with groups (0, 1, ...) as its units."""
        count = int(groups.max()) + 1
        if count == len(self):
            return self
        terms = np.zeros((count, self.terms.shape[1]))
        np.add.at(terms, groups, self.terms)
        learned = np.bincount(groups, self._learned(), count) * count / len(self)
        return replace(self, terms=terms, learned=None if self.learned is None else learned)

    def minus(self, other: Contributions) -> Contributions:
        """The difference of two estimates from the same units, which takes with it how they go together."""
        mine = self.terms.shape[1]
        learned = None if self.learned is None and other.learned is None else self._learned() - other._learned()
        return Contributions(
            np.concatenate([self.terms, other.terms], axis=1),
            lambda sums: self.combine(sums[..., :mine]) - other.combine(sums[..., mine:]),
            learned,
        )

    def _learned(self) -> Float[np.ndarray, " U"]:
        """Of mean 0; nothing where nothing was learned."""
        return np.zeros(len(self)) if self.learned is None else self.learned - self.learned.mean()


def ratio(sums: Float[np.ndarray, "*lead 2"]) -> Float[np.ndarray, "*lead"]:
    """The first sum over the second; 0 where the second is 0: nothing is known there, which its effective size says."""
    below = sums[..., 1]
    return np.asarray(np.divide(sums[..., 0], below, out=np.zeros_like(below), where=below != 0))
