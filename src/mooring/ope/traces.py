"""Values by traces: temporal differences of the steps after a row count for it too, while the target goes along.

Munos, Stepleton, Harutyunyan & Bellemare, "Safe and efficient off-policy reinforcement learning" (2016), arXiv
1606.02647: Q + mean over a pair's rows of sum_k (product of discount_i c_(i+1) up to k) d_k, repeated until nothing
changes, with d_k = r_k + discount_k V(next) - Q(obs, action) and the traces

    "retrace"      c = lambda min(1, target / behavior)
    "tree-backup"  c = lambda target                     Precup, Sutton & Singh (2000)
    "q-lambda"     c = lambda                            Harutyunyan et al. (2016), arXiv 1602.04951

All have the true Q as their fixed point. lambda 0 is the model from counts; with a larger one less depends on the
states being Markovian, and more on the logged actions. Q(lambda) diverges where lambda is too large for how far
target and behavior are apart; tree-backup does not need the behavior's probabilities.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
from jaxtyping import Float

from mooring.errors import BadInput, unknown
from mooring.ope.logs import Table, Values
from mooring.ope.tabular import Model, Solution, TabularLogs, values_of

Trace = Literal["retrace", "tree-backup", "q-lambda"]
ROUNDS = 10_000

_TRACES: dict[str, Callable[[TabularLogs], Table]] = {
    "retrace": lambda tabular: np.minimum(1.0, tabular.logs.ratio),
    "tree-backup": lambda tabular: tabular.target[tabular.state, tabular.action],
    "q-lambda": lambda tabular: np.ones_like(tabular.logs.reward),
}


def traced_values(
    tabular: TabularLogs, trace: Trace = "retrace", lambda_: float = 1.0, tolerance: float = 1e-9
) -> Values:
    """The fixed point, as values for `direct_method`, with their influence.

    With a horizon each timestep has a table of its own, from the rows of that timestep alone. Pairs without rows
    keep the value of the model, whose own noise the influence does not count. Raises BadInput where the trace is not
    known, lambda is outside 0 .. 1, or values still change by more than the tolerance (relative to the largest) after
    10,000 rounds.
    """
    if trace not in _TRACES:
        raise unknown("trace", trace, _TRACES)
    if not 0 <= lambda_ <= 1:
        raise BadInput("lambda", f"{lambda_:g}", "from 0 to 1")
    operator = _Operator(tabular, lambda_ * _TRACES[trace](tabular))
    q = _repeated(operator.update, Model.of(tabular).solution.q, tolerance, trace)
    start = np.zeros_like(q)
    start[0] = tabular.start[:, None] * tabular.target
    visits = _repeated(lambda visits: start - operator.adjoint(visits), start, tolerance, trace)
    v, v_next = operator.state_values(q)
    return values_of(tabular, Solution(q, v, v_next, visits), operator.influence(q, visits))


class _Operator:
    """The update of Q that logs and traces make, a linear function of Q, and its adjoint."""

    def __init__(self, tabular: TabularLogs, trace: Table) -> None:
        logs = tabular.logs
        self.tabular, self.shape = tabular, (tabular.horizon or 1, *tabular.target.shape)
        self.cell = tabular.timestep * tabular.target.size + tabular.pair
        self.onward = np.where(logs.present, logs.discount, 0.0)  # to the next observation
        self.decay = np.zeros_like(trace)  # of what is known at a row, on its way to the row before
        self.decay[:, 1:] = self.onward[:, :-1] * np.where(logs.present, trace, 0.0)[:, 1:]
        rows = self._summed(np.ones_like(trace))
        self.each = np.where(logs.present, 1 / np.maximum(rows.ravel()[self.cell], 1), 0.0)  # 1 / rows of the pair

    def state_values(self, q: Float[np.ndarray, "K S A"]) -> tuple[np.ndarray, np.ndarray]:
        """V of each table, and that which a row of each sees next."""
        v = (q * self.tabular.target).sum(2)
        return v, np.concatenate([v[1:], np.zeros_like(v[:1])]) if self.tabular.horizon else v

    def corrections(self, q: Float[np.ndarray, "K S A"]) -> Table:
        """What each row says that its Q lacks."""
        v, v_next = self.state_values(q)
        values = values_of(self.tabular, Solution(q, v, v_next, q))
        differences = np.where(self.tabular.logs.present, values.temporal_differences(self.tabular.logs), 0.0)
        for step in reversed(range(differences.shape[1] - 1)):
            differences[:, step] += self.decay[:, step + 1] * differences[:, step + 1]
        return differences

    def update(self, q: Float[np.ndarray, "K S A"]) -> Float[np.ndarray, "K S A"]:
        """The mean correction of each pair; 0 of pairs without rows."""
        return self._summed(self.each * self.corrections(q))

    def adjoint(self, visits: Float[np.ndarray, "K S A"]) -> Float[np.ndarray, "K S A"]:
        """The transpose of Q -> update(0) - update(Q), where pairs without rows keep what they have."""
        weight = self.each * visits.ravel()[self.cell]
        for step in range(1, weight.shape[1]):
            weight[:, step] += self.decay[:, step] * weight[:, step - 1]
        weight = np.where(self.tabular.logs.present, weight, 0.0)
        seen = self._summed((self.each > 0).astype(float)) > 0
        return self._summed(weight) - self._arrived(weight * self.onward) + np.where(seen, 0.0, visits)

    def influence(self, q: Float[np.ndarray, "K S A"], visits: Float[np.ndarray, "K S A"]) -> Float[np.ndarray, " E"]:
        """How each episode moved the start's value: n * sum of (visits of a row's pair / its rows) * correction."""
        share = len(self.tabular) * self.each * visits.ravel()[self.cell]
        return (share * self.corrections(q)).sum(1)

    def _summed(self, column: Table) -> Float[np.ndarray, "K S A"]:
        present = self.tabular.logs.present
        size = int(np.prod(self.shape))
        return np.bincount(self.cell[present], column[present], size).reshape(self.shape)

    def _arrived(self, column: Table) -> Float[np.ndarray, "K S A"]:
        """A column summed by next state, over the target's actions there; nothing arrives past the horizon."""
        tables, states, _ = self.shape
        later = self.tabular.timestep + (1 if self.tabular.horizon else 0)
        inside = self.tabular.logs.present & (later < tables)
        place = (later * states + self.tabular.next_state)[inside]
        arrived = np.bincount(place, column[inside], tables * states).reshape(tables, states)
        return arrived[..., None] * self.tabular.target


def _repeated(
    change: Callable[[np.ndarray], np.ndarray], first: np.ndarray, tolerance: float, trace: str
) -> Float[np.ndarray, "K S A"]:
    """x + change(x), until it does not change."""
    found = first
    for _ in range(ROUNDS):
        step = change(found)
        found = found + step
        size = np.abs(found).max()
        if np.abs(step).max() <= tolerance * max(1.0, size):
            return found
        if not size < 1e100:
            break
    raise BadInput(
        trace, "values do not settle", "a discount below 1, and target and behavior near each other", "a smaller lambda"
    )
