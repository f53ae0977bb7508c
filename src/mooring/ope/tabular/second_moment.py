"""How many episodes will count, by a model: what the weights' own sum of squares can not tell.

The variance of importance weights comes from rare episodes whose weights are huge. A log that happens to have none of
them looks better than one that has some: its effective size is larger, and its intervals are too narrow. Where states
are numbers, the square of a weight has an expectation that needs no such episode to be there, as a value has: with
K(s, s') the mean over the rows of s of ratio^2 where they lead to s', and ended(s) that of those that terminate,

    m_0 = 1,    m_k+1 = ended + K m_k,    E[w^2] = m_k at the start, k steps being the longest that counts.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float

from mooring.ope.tabular.model import TabularLogs

MOST = 0.99  # of the episodes are no longer than what counts: longer ones would count for more than they are; ours


def expected_effective_size(tabular: TabularLogs) -> float:
    """Episodes over the expected square of one's weight, whose expectation is 1; 0 where that is beyond all numbers."""
    onward, ended = _step(tabular)
    square = np.ones(len(tabular.start))
    for _ in range(tabular.horizon or int(np.quantile(tabular.logs.present.sum(1), MOST))):
        square = ended + onward @ square
    return len(tabular) / max(float(tabular.start @ square), 1.0)


def _step(tabular: TabularLogs) -> tuple[Any, Float[np.ndarray, " S"]]:
    """The mean ratio^2 of a state's rows that lead to each state (sparse), and of those that terminate."""
    from scipy.sparse import coo_array

    logs, states = tabular.logs, len(tabular.target)
    present = logs.present
    state, after, ends = tabular.state[present], tabular.next_state[present], logs.discount[present] == 0
    share = logs.ratio[present] ** 2 / np.bincount(state, minlength=states)[state]
    onward = coo_array((share[~ends], (state[~ends], after[~ends])), shape=(states, states)).tocsr()
    return onward, np.bincount(state, share * ends, states)
