"""How well an order of policies from logs alone agrees with another order, or with what the policies are worth."""

from __future__ import annotations

from itertools import combinations

import numpy as np
from jaxtyping import Bool, Float

Values = Float[np.ndarray, " K"]


def spearman(estimated: Values, true: Values) -> float:
    """The correlation of ranks, ties sharing their mean rank; NaN where either has one value only."""
    from scipy.stats import rankdata

    if np.ptp(estimated) == 0 or np.ptp(true) == 0:
        return float("nan")
    return float(np.corrcoef(rankdata(estimated), rankdata(true))[0, 1])


def regret_at(k: int, estimated: Values, true: Values) -> float:
    """What choosing the best of the k that are estimated highest loses, as a share of best less worst.

    regret@k of Paine et al. (2020), "Hyperparameter selection for offline reinforcement learning", arXiv
    2007.09055, normalized by the range of the true values rather than by the best one, so that it is from 0 to 1
    whatever the sign of the rewards. 0 where all are worth the same.
    """
    top = np.argsort(-estimated, kind="stable")[:k]
    spread = float(np.ptp(true))
    return float(true.max() - true[top].max()) / spread if spread else 0.0


def false_better(said: Bool[np.ndarray, " K"], true: Values, behavior: float) -> float:
    """Of all policies, the share that was said to be better than the behavior policy and is not."""
    return float((said & (true <= behavior)).mean())


def agreement(estimates: Float[np.ndarray, "M K"]) -> float:
    """The mean rank correlation between each two of M estimators over K policies; NaN with fewer than two."""
    each = [spearman(first, second) for first, second in combinations(estimates, 2)]
    known = [value for value in each if np.isfinite(value)]
    return float(np.mean(known)) if known else float("nan")
