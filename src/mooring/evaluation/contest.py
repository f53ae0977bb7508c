"""`contest`: which of several policies is best, by as few episodes in the environment as one can afford.

Sequential halving (Karnin, Koren & Somekh 2013, "Almost optimal exploration in multi-armed bandits", algorithm 1): the
episodes are shared out over ceil(log2 K) rounds, alike among those that are left, and the worse half leaves after
each. Episode e has the same seed for every policy, and what was played in earlier rounds goes on counting.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from mooring.errors import BadInput
from mooring.evaluation.scores import evaluate
from mooring.evaluation.statistics import Estimate, mean, summarize
from mooring.types import Policy

Play = Callable[[int, int, int], Float64[np.ndarray, " E"]]
"""play(contestant, episodes, seed): the returns of so many episodes."""


@dataclass(frozen=True, eq=False)
class Contest:
    """What each of K contestants got, best first in `ranking`: those that left last, and among them the better mean.

    The mean of a winner is biased upwards, since it was chosen for it; `lead`, by the episodes that both played, is
    its difference to the second, and says how sure the choice is.
    """

    returns: tuple[Float64[np.ndarray, " _"], ...]
    ranking: tuple[int, ...]
    lead: Estimate

    @property
    def winner(self) -> int:
        return self.ranking[0]


def contest(play: Play, contestants: int, budget: int, seed: int = 0, level: float = 0.95) -> Contest:
    """Plays at most `budget` episodes in all. Raises BadInput where that is less than two for each at the start.

    A return that is not finite counts as the worst.
    """
    rounds = max(1, math.ceil(math.log2(contestants)))
    if contestants < 2 or budget // (rounds * contestants) < 2:
        found = f"{budget} episodes for {contestants} policies"
        raise BadInput("contest", found, f"two policies or more, and at least {2 * rounds * contestants} episodes")
    seen: list[list[float]] = [[] for _ in range(contestants)]
    left, out = list(range(contestants)), list[int]()
    for at, seed_of_round in enumerate(np.random.SeedSequence(seed).generate_state(rounds).tolist()):
        for each in left:
            seen[each] += play(each, budget // (rounds * len(left)), seed_of_round).tolist()
        order = sorted(left, key=lambda each: -_mean(seen[each]))
        stay = 1 if at == rounds - 1 else math.ceil(len(left) / 2)
        left, out = order[:stay], order[stay:] + out
    ranking = (*left, *out)
    returns = tuple(np.asarray(each) for each in seen)
    shared = min(len(returns[ranking[0]]), len(returns[ranking[1]]))
    gap = returns[ranking[0]][:shared] - returns[ranking[1]][:shared]
    lead = summarize(gap, mean, level) if np.isfinite(gap).all() else Estimate(np.inf, -np.inf, np.inf)
    return Contest(returns, ranking, lead)


def contest_of(
    policies: Sequence[Policy], env: str, budget: int, seed: int = 0, sampled: bool = False, level: float = 0.95
) -> Contest:
    """A contest of policies in the Gymnasium environment `env`. Raises BadInput as `evaluate` does."""

    def play(contestant: int, episodes: int, seed: int) -> Float64[np.ndarray, " E"]:
        return np.asarray(evaluate(policies[contestant], env, episodes, seed, sampled).returns[0])

    return contest(play, len(policies), budget, seed, level)


def _mean(returns: Sequence[float]) -> float:
    value = float(np.mean(returns))
    return value if np.isfinite(value) else -np.inf
