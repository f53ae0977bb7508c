"""Values by traces: temporal differences of the steps after a row count for it too, while the target goes along.

Munos, Stepleton, Harutyunyan & Bellemare, "Safe and efficient off-policy reinforcement learning" (2016), arXiv
1606.02647: Q is right where sum_k (product of discount_i c_(i+1) up to k) d_k is 0 on average over the rows of every
pair of state and action, with d_k = r_k + discount_k V(next) - Q(obs, action) and the traces

    "retrace"      c = lambda min(1, target / behavior)
    "tree-backup"  c = lambda target                     Precup, Sutton & Singh (2000)
    "q-lambda"     c = lambda                            Harutyunyan et al. (2016), arXiv 1602.04951

All have the true Q as their fixed point. lambda 0 is the model from counts; with a larger one less depends on the
states being Markovian, and more on the logged actions. Q(lambda) diverges where lambda is too large for how far
target and behavior are apart; tree-backup does not need the behavior's probabilities.

With h steps left, the sums of h - 1 steps left, G, are known: Q_h is the mean of
r + discount (V_(h-1)(next) + c G_(h-1) at the next row) over all rows of a pair, and G_h is what each differs from it.
Where the log ends, so does its sum: the value of what was cut off is in the last difference.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float

from mooring.errors import BadInput, unknown
from mooring.ope.logs import Table, Values
from mooring.ope.tabular.model import Model, Solution, TabularLogs, rounds, settled, values_of

Trace = Literal["retrace", "tree-backup", "q-lambda"]
State = tuple[Float[np.ndarray, "S A"], Table]

_TRACES: dict[str, Callable[[TabularLogs], Table]] = {
    "retrace": lambda tabular: np.minimum(1.0, tabular.logs.ratio),
    "tree-backup": lambda tabular: tabular.target[tabular.state, tabular.action],
    "q-lambda": lambda tabular: np.ones_like(tabular.logs.reward),
}


def traced_values(
    tabular: TabularLogs, trace: Trace = "retrace", lambda_: float = 1.0, tolerance: float = 1e-9
) -> Values:
    """The fixed point, as values for `direct_method`, with their influence.

    Pairs without rows are what the model of `mooring.ope.tabular.model` assumes. Raises BadInput where the trace is not
    known, lambda is outside 0 .. 1, or values without a horizon still change by more than the tolerance (relative to
    the largest) after 10,000 rounds.
    """
    if trace not in _TRACES:
        raise unknown("trace", trace, _TRACES)
    if not 0 <= lambda_ <= 1:
        raise BadInput("lambda", f"{lambda_:g}", "from 0 to 1")
    return values_of(tabular, *solved(tabular, lambda_ * _TRACES[trace](tabular), tolerance))


def solved(tabular: TabularLogs, trace: Table, tolerance: float) -> tuple[Solution, Float[np.ndarray, " E"]]:
    """The fixed point for traces c of each row, and how each episode moved the start's value to first order.

    In the place of occupancy stands how much the sums of a pair count. That is less, and may be negative: temporal
    differences that rows before them have counted do not count again.
    """
    backup, horizon = _Backup.of(tabular, trace), tabular.horizon
    none = np.zeros_like(trace)
    nothing, start = (np.zeros_like(tabular.target), none), (tabular.start[:, None] * tabular.target, none)

    def from_start(state: State) -> State:
        counts, through = backup.backward(state)
        return start[0] + counts, through

    if horizon:
        forward = rounds(backup.forward, nothing, horizon)[:0:-1]
        backward = rounds(backup.backward, start, horizon - 1)
    else:
        forward = [settled(backup.forward, nothing, tolerance)]
        backward = [settled(from_start, start, tolerance)]
    q, counts = (np.stack([table for table, _ in each]) for each in (forward, backward))
    moved = [backup.per_row(each) * sums for each, (_, sums) in zip(counts, forward, strict=True)]
    return Solution.of(tabular, q, counts), len(tabular) * np.sum(moved, axis=(0, 2))


@dataclass(frozen=True, eq=False)
class _Backup:
    """One step more: what it makes of Q and of the rows' sums, and the transpose of that."""

    tabular: TabularLogs
    model: Model
    onward: Table  # the discount to the next observation
    carried: Table  # the share of the next row's sum that counts: discount c at the next row
    stays: float  # the mean discount: what the model assumes of pairs without rows

    @classmethod
    def of(cls, tabular: TabularLogs, trace: Table) -> _Backup:
        present, discount = tabular.logs.present, tabular.logs.discount
        onward, carried = np.where(present, discount, 0.0), np.zeros_like(discount)
        carried[:, :-1] = onward[:, :-1] * np.where(present, trace, 0.0)[:, 1:]
        return cls(tabular, Model.of(tabular), onward, carried, float(discount[present].mean()))

    def forward(self, state: State) -> State:
        """Q and the rows' sums with one step more."""
        q, sums = state
        tabular, v = self.tabular, (q * self.tabular.target).sum(1)
        found = tabular.logs.reward + self.onward * v[tabular.next_state]
        found[:, :-1] += self.carried[:, :-1] * sums[:, 1:]
        mean = tabular.per_pair(found) / np.maximum(self.model.counts, 1)
        more = np.where(self.model.counts > 0, mean, self.model.reward + self.stays * v[:, None])
        return more, np.where(tabular.logs.present, found - more[tabular.state, tabular.action], 0.0)

    def backward(self, state: State) -> State:
        """How much Q and the rows' sums of one step less count, where those of now count so much."""
        counts, through = state
        tabular = self.tabular
        each, before = self.per_row(counts) + through, np.zeros_like(through)
        before[:, 1:] = (self.carried * each)[:, :-1]
        present = tabular.logs.present
        arrived = np.bincount(tabular.next_state[present], (self.onward * each)[present], len(tabular.target))
        arrived += self.stays * np.where(self.model.counts > 0, 0.0, counts).sum(1)
        return arrived[:, None] * tabular.target - tabular.per_pair(before), before

    def per_row(self, counts: Float[np.ndarray, "S A"]) -> Table:
        """What counts for a pair, shared by its rows."""
        shares = counts / np.maximum(self.model.counts, 1)
        return np.where(self.tabular.logs.present, shares[self.tabular.state, self.tabular.action], 0.0)
