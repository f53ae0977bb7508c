"""Values by sparse tables, each episode's from models of other groups' episodes: for doubly robust estimates.

A pair of state and action that has a single row is explained by it completely: its temporal difference is 0, and a
doubly robust estimate, which is made of temporal differences, looks far surer than it is. Values that have not seen
the episode leave them as they are (Chernozhukov et al. 2018, "Double/debiased machine learning", arXiv 1608.00060).
"""

from __future__ import annotations

import numpy as np

from mooring.ope.logs import FOLDS, Values, folds_of
from mooring.ope.tabular.model import Model, TabularLogs, values_of


def cross_fitted_values(tabular: TabularLogs, folds: int = FOLDS, seed: int = 0) -> Values:
    """What models of the other folds say of each episode; they tell no influence, as to first order there is none.

    Raises BadInput where there are fewer than two groups or folds.
    """
    fold = folds_of(tabular.logs.groups, folds, seed, "cross-fitting")
    q, v, v_next = (np.zeros_like(tabular.logs.reward) for _ in range(3))
    for held in np.unique(fold):
        out = np.flatnonzero(fold == held)
        model = Model.of(tabular.take(np.flatnonzero(fold != held)))
        said = values_of(tabular.take(out), model.solution)
        q[out], v[out], v_next[out] = said.q, said.v, said.v_next
    return Values(q, v, v_next)
