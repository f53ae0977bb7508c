"""MRDR: values that are fitted to give the doubly robust estimate the least variance, rather than to be right.

Farajtabar, Chow & Ghavamzadeh, "More robust doubly robust off-policy evaluation" (2018), arXiv 1802.03493.
The variance that step t adds, given what came before, is g_t^2 w_(t-1)^2 times the variance of rho (R - Q) over the
behavior's actions, R being the return from there on. For one row, which took action a, that is estimated by

    rho q' Omega q,  q = target * Q(obs, .) - 1[a] R,  Omega = diag(1 / behavior) - 1 1'

where R is weighted per decision. Omega is a covariance: adding behavior / target times a number to Q of all actions
changes nothing, and of equally good Q the smallest is taken.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from mooring.errors import BadInput
from mooring.ope.logs import Logs, Table, Values
from mooring.ope.tabular.model import TabularLogs

PerAction = Float[np.ndarray, "E T A"]
RAREST = 1e-6
"""A probability below which an action counts as this rare: values of what is never taken go to 0."""


@dataclass(frozen=True, eq=False)
class Choices:
    """What each row could have done: features of each action (E, T, A, K), here and at the next observation.

    `behavior`, `target` and `next_target` are probabilities of all actions. Past an episode's end all mean nothing,
    but must be numbers.
    """

    action: Int[np.ndarray, "E T"]
    features: Float[np.ndarray, "E T A K"]
    next_features: Float[np.ndarray, "E T A K"]
    behavior: PerAction
    target: PerAction
    next_target: PerAction

    @classmethod
    def tabular(cls, tabular: TabularLogs) -> Choices:
        """One feature for each pair of state and action; memory grows with rows * A * S * A.

        The behavior's probabilities are the logged ones, of a policy that does not change with time; actions of a
        state that were never logged share what is left. Raises BadInput where nobody knows the logged ones.
        """
        if tabular.logs.log_behavior is None:
            raise BadInput(
                "MRDR", "the behavior policy's probabilities are not known", fix="log them, or estimate them"
            )
        states, actions = tabular.target.shape
        table = np.eye(states * actions).reshape(states, actions, -1)
        rows = tabular.per_pair(np.ones_like(tabular.logs.reward))
        known = tabular.per_pair(np.exp(tabular.logs.log_behavior)) / np.maximum(rows, 1)
        left = np.maximum(1 - known.sum(1, keepdims=True), 0) / np.maximum((rows == 0).sum(1, keepdims=True), 1)
        behavior = np.where(rows > 0, known, left)
        now, later, target = tabular.state, tabular.next_state, tabular.target
        return cls(tabular.action, table[now], table[later], behavior[now], target[now], target[later])


def mrdr_values(logs: Logs, choices: Choices) -> Values:
    """Linear values for `doubly_robust`, which is then MRDR.

    They are fitted to the same episodes, so that the estimate looks a little less noisy than it is: fit them on
    others where K is not far below their number. What follows the last row of a log counts as nothing in the fit.
    """
    present = logs.present
    features, behavior, target = (column[present] for column in (choices.features, choices.behavior, choices.target))
    scaled = target[..., None] * features
    over = 1 / np.maximum(behavior, RAREST)
    taken = np.eye(behavior.shape[1])[choices.action[present]] * returns_to_go(logs)[present][:, None]
    weight = ((logs.so_far * logs.weight_before) ** 2 * logs.ratio)[present]
    quadratic = _covariance(weight, over, scaled, scaled)
    linear = _covariance(weight, over, scaled, taken[..., None])[:, 0]
    coefficients = np.linalg.lstsq(quadratic, linear, rcond=1e-10)[0]
    q, q_next = choices.features @ coefficients, choices.next_features @ coefficients
    logged = np.take_along_axis(q, choices.action[..., None], axis=2)[..., 0]
    v, v_next = (choices.target * q).sum(2), (choices.next_target * q_next).sum(2)
    return Values(*(np.where(present, column, 0.0) for column in (logged, v, _within(logs, v_next))))


def returns_to_go(logs: Logs) -> Table:
    """R_t = r_t + discount_t rho_(t+1) R_(t+1): the return from each row on, weighted per decision after it."""
    to_go = np.zeros_like(logs.reward)
    later = np.zeros(len(logs))
    for step in reversed(range(logs.horizon)):
        to_go[:, step] = logs.reward[:, step] + logs.discount[:, step] * later
        later = logs.ratio[:, step] * to_go[:, step]
    return to_go


def _covariance(
    weight: Float[np.ndarray, " N"],
    over: Float[np.ndarray, "N A"],
    first: Float[np.ndarray, "N A K"],
    second: Float[np.ndarray, "N A L"],
) -> Float[np.ndarray, "K L"]:
    """sum of weight * first' Omega second, the diagonal first."""
    each = (weight[:, None] * over)[..., None] * first
    diagonal = np.tensordot(each, second, axes=((0, 1), (0, 1)))
    return np.asarray(diagonal - (weight[:, None] * first.sum(1)).T @ second.sum(1))


def _within(logs: Logs, v_next: Table) -> Table:
    """Nothing after the last row, as in the fit."""
    last = np.arange(logs.horizon) == logs.present.sum(1, keepdims=True) - 1
    return np.where(last, 0.0, v_next)
