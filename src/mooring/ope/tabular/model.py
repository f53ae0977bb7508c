"""Discrete observations and actions: the model that counts give, the target's values in it, and where it goes.

The maximum-likelihood model is one table of mean rewards and one of mean discounts to each next state. Per-row
discounts are in it: a row that terminated leads nowhere, and one that stands for several steps leads on with less.

What was never tried is assumed: a pair of state and action without a row gets the mean reward of all rows, and stays
where it is with their mean discount. No estimate can know better, so `Model.support` tells how much of the target's
occupancy has rows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, TypeVar

import numpy as np
from jaxtyping import Float, Int

from mooring.data.dataset import Dataset
from mooring.data.spaces import Discrete
from mooring.errors import BadInput
from mooring.ope.logs import Logs, Table, Values

ENDLESS = 1e9
"""Expected visits of a state above which values are called infinite."""
ROUNDS = 10_000
State = TypeVar("State", np.ndarray, tuple[np.ndarray, np.ndarray])


LARGEST_TABLE = 200_000
"""Pairs of state and action up to which data are held to fit tables; ours."""


def fits_tables(data: Dataset) -> bool:
    """Whether observations and actions are few enough numbers to be counted."""
    obs, action = data.obs_space, data.action_space
    return isinstance(obs, Discrete) and isinstance(action, Discrete) and obs.n * action.n <= LARGEST_TABLE


@dataclass(frozen=True, eq=False)
class TabularLogs:
    """Logs whose observations and actions are numbers, and the target policy's probabilities in every state.

    `state`, `action` and `next_state` are laid out like `logs`; past an episode's end they mean nothing. With a
    `horizon`, every episode starts at timestep 0 and values are counted up to that many steps, so they depend on the
    timestep; a log that was cut off before it gets the value of what was left. Without, values are those of a
    process that goes on for ever.
    """

    logs: Logs
    state: Int[np.ndarray, "E T"]
    action: Int[np.ndarray, "E T"]
    next_state: Int[np.ndarray, "E T"]
    target: Float[np.ndarray, "S A"]
    horizon: int | None = None

    @classmethod
    def of(
        cls,
        logs: Logs,
        state: Int[np.ndarray, " N"],
        action: Int[np.ndarray, " N"],
        next_state: Int[np.ndarray, " N"],
        target: Float[np.ndarray, "S A"],
        horizon: int | None = None,
    ) -> TabularLogs:
        """From columns of the data set, one number per row.

        Raises BadInput where a number is not one of the target's states or actions, where its probabilities of a
        state do not sum to 1, or where an episode is longer than the horizon.
        """
        for name, column, size in (("state", state, 0), ("action", action, 1), ("next_state", next_state, 0)):
            if not ((column >= 0) & (column < target.shape[size])).all():
                found = f"numbers from {column.min()} to {column.max()}"
                raise BadInput(name, found, f"from 0 to {target.shape[size] - 1}, as the target's table has them")
        if not ((target >= 0).all() and np.allclose(target.sum(1), 1, atol=1e-6)):
            raise BadInput("target policy", "the probabilities of a state's actions do not sum to 1")
        if horizon is not None and logs.horizon > horizon:
            raise BadInput("horizon", f"{horizon}, but an episode has {logs.horizon} steps", "at least that")
        return cls(logs, state[logs.rows], action[logs.rows], next_state[logs.rows], target, horizon)

    def __len__(self) -> int:
        return len(self.logs)

    @property
    def timestep(self) -> Int[np.ndarray, "E T"]:
        """Which of the values' tables a row reads: its timestep; 0 where there is one for all."""
        steps = np.arange(self.logs.horizon) if self.horizon else np.zeros(self.logs.horizon, int)
        return np.broadcast_to(steps, self.state.shape)

    @cached_property
    def pair(self) -> Int[np.ndarray, "E T"]:
        """State and action as one number."""
        return self.state * self.target.shape[1] + self.action

    @cached_property
    def start(self) -> Float[np.ndarray, " S"]:
        """The share of episodes that start in each state."""
        return np.bincount(self.state[:, 0], minlength=len(self.target)) / len(self)

    def per_pair(self, column: Table) -> Float[np.ndarray, "S A"]:
        """The sum of a column over the rows of each pair of state and action."""
        present = self.logs.present
        return np.bincount(self.pair[present], column[present], self.target.size).reshape(self.target.shape)

    def take(self, episodes: Int[np.ndarray, " M"]) -> TabularLogs:
        """Some of the episodes."""
        columns = {name: getattr(self, name)[episodes] for name in ("state", "action", "next_state")}
        return replace(self, logs=self.logs.take(episodes), **columns)


@dataclass(frozen=True, eq=False)
class Solution:
    """The target's values and occupancy: of each timestep up to the horizon (K = H), or of all at once (K = 1).

    `v_next[k]` is the value that a row of timestep k sees after it: 0 at the horizon. `occupancy[k]` is the expected
    discounted number of times that the target is in a state and takes an action at timestep k; at all, where K = 1.
    """

    q: Float[np.ndarray, "K S A"]
    v: Float[np.ndarray, "K S"]
    v_next: Float[np.ndarray, "K S"]
    occupancy: Float[np.ndarray, "K S A"]

    @classmethod
    def of(cls, tabular: TabularLogs, q: Float[np.ndarray, "K S A"], occupancy: Float[np.ndarray, "K S A"]) -> Solution:
        """With the target's V."""
        v = (q * tabular.target).sum(2)
        return cls(q, v, np.concatenate([v[1:], np.zeros_like(v[:1])]) if tabular.horizon else v, occupancy)


@dataclass(frozen=True, eq=False)
class Model:
    """The maximum-likelihood model of logs: what each pair of state and action gave, and where it led."""

    tabular: TabularLogs
    counts: Float[np.ndarray, "S A"]
    reward: Float[np.ndarray, "S A"]
    onward: Any  # sparse (S * A, S): the mean discount of a pair's rows that led to each state, over all of its rows

    @classmethod
    def of(cls, tabular: TabularLogs, unseen_reward: float | None = None) -> Model:
        """`unseen_reward` is that of pairs without a row; by default the mean of all rows."""
        from scipy.sparse import coo_array

        logs, (states, actions) = tabular.logs, tabular.target.shape
        present = logs.present
        counts = tabular.per_pair(np.ones_like(logs.reward))
        unseen = np.flatnonzero(counts.ravel() == 0)
        prior = float(logs.reward[present].mean()) if unseen_reward is None else unseen_reward
        reward = np.where(counts > 0, tabular.per_pair(logs.reward) / np.maximum(counts, 1), prior)
        pairs = np.concatenate([tabular.pair[present], unseen])
        nexts = np.concatenate([tabular.next_state[present], unseen // actions])
        discount = logs.discount[present]
        shares = discount / counts.ravel()[tabular.pair[present]]
        shares = np.concatenate([shares, np.full(len(unseen), discount.mean())])
        onward = coo_array((shares, (pairs, nexts)), shape=(states * actions, states)).tocsr()
        return cls(tabular, counts, reward, onward)

    @cached_property
    def solution(self) -> Solution:
        """The target policy's values and occupancy in the model, exactly."""
        return self._at_each_step(self.tabular.horizon) if self.tabular.horizon else self._for_ever()

    def values(self) -> Values:
        """The direct method's values of the logged rows, and how each episode moved their mean at the start."""
        return values_of(self.tabular, self.solution, self.influence())

    def influence(self) -> Float[np.ndarray, " E"]:
        """The first-order influence of each episode on the start's value, by what it taught the model.

        By the simulation lemma, rows of a pair (s, a) move the value by the mean of their temporal differences times
        the target's occupancy of it: n / N(s, a) * sum_k d_k(s, a) (r + discount V_k+1(s') - Q_k(s, a)) per row, with
        n episodes and N(s, a) rows of the pair. What is assumed of pairs without rows counts as given: see `support`.
        """
        tabular, found, logs = self.tabular, self.solution, self.tabular.logs
        s, a, moved = tabular.state, tabular.action, np.zeros_like(logs.reward)
        for q, v_next, occupancy in zip(found.q, found.v_next, found.occupancy, strict=True):
            ratio = self._ratio(occupancy)
            moved += ratio[s, a] * (logs.reward + logs.discount * v_next[tabular.next_state] - q[s, a])
        return np.where(logs.present, moved, 0).sum(1)

    def ratios(self) -> Table:
        """n d(s, a) / N(s, a) of each row: how much more than the logs the target is there, at all timesteps together.

        The mean over episodes of sum_t ratio * reward is the value that the model tells: the marginalized importance
        sampling of Xie, Ma & Wang (2019) with stationary marginals, and what the DICE methods estimate.
        """
        ratio = self._ratio(self.solution.occupancy.sum(0))
        return np.where(self.tabular.logs.present, ratio[self.tabular.state, self.tabular.action], 0.0)

    @property
    def support(self) -> float:
        """The share of the target's occupancy, over all timesteps, in pairs of state and action that have rows."""
        occupancy = self.solution.occupancy.sum(0)
        return float(occupancy[self.counts > 0].sum() / occupancy.sum())

    def _ratio(self, occupancy: Float[np.ndarray, "S A"]) -> Float[np.ndarray, "S A"]:
        none = np.zeros_like(occupancy)
        return np.divide(len(self.tabular) * occupancy, self.counts, out=none, where=self.counts > 0)

    def _q(self, v_next: Float[np.ndarray, " S"]) -> Float[np.ndarray, "S A"]:
        return self.reward + (self.onward @ v_next).reshape(self.reward.shape)

    def _at_each_step(self, horizon: int) -> Solution:
        target, start = self.tabular.target, self.tabular.start[:, None] * self.tabular.target
        q = rounds(lambda q: self._q((target * q).sum(1)), np.zeros_like(target), horizon)[:0:-1]
        visits = rounds(lambda pairs: (pairs.ravel() @ self.onward)[:, None] * target, start, horizon - 1)
        return Solution.of(self.tabular, np.stack(q), np.stack(visits))

    def _for_ever(self) -> Solution:
        target = self.tabular.target
        actions = target.shape[1]
        by_action = (self.onward[a::actions].multiply(target[:, a : a + 1]) for a in range(actions))
        v, visits = _solved(sum(by_action), (target * self.reward).sum(1), self.tabular.start)
        return Solution.of(self.tabular, self._q(v)[None], (visits[:, None] * target)[None])


def tabular_fitted_q(tabular: TabularLogs, tolerance: float = 1e-10) -> Values:
    """Fitted Q evaluation: each pair's value is the mean of reward + discount V(next_state) over its rows, repeated.

    Le, Voloshin & Yue, "Batch policy learning under constraints" (2019), arXiv 1903.08738, algorithm 3. From 0; once
    per timestep, backwards, with a horizon, else until no value changes by more than the tolerance (relative to the
    largest). In a table it finds what the model says, by another way. Raises BadInput where it does not converge.
    """
    model, logs = Model.of(tabular), tabular.logs
    stays = float(logs.discount[logs.present].mean())

    def fitted(q: Float[np.ndarray, "S A"]) -> Float[np.ndarray, "S A"]:
        v = (tabular.target * q).sum(1)
        mean = tabular.per_pair(logs.reward + logs.discount * v[tabular.next_state]) / np.maximum(model.counts, 1)
        return np.where(model.counts > 0, mean, model.reward + stays * v[:, None])

    nothing = np.zeros_like(tabular.target)
    if tabular.horizon:
        q = np.stack(rounds(fitted, nothing, tabular.horizon)[:0:-1])
    else:
        q = settled(fitted, nothing, tolerance)[None]
    return values_of(tabular, Solution.of(tabular, q, model.solution.occupancy), model.influence())


def rounds(step: Callable[[State], State], state: State, count: int) -> list[State]:
    """The states after 0 to so many steps."""
    states = [state]
    for _ in range(count):
        states.append(step(states[-1]))
    return states


def settled(step: Callable[[State], State], state: State, tolerance: float) -> State:
    """The array, or the two, that one more step does not change by more than the tolerance, relative to the largest.

    Raises BadInput where that takes more than 10,000 steps.
    """
    for _ in range(ROUNDS):
        before, state = state, step(state)
        pairs = [(state, before)] if isinstance(state, np.ndarray) else list(zip(state, before, strict=True))
        change = max(float(np.abs(new - old).max()) for new, old in pairs)
        if not change < 1e100:
            break
        if change <= tolerance * max(1.0, *(float(np.abs(new).max()) for new, _ in pairs)):
            return state
    raise BadInput("values", "they do not settle", "a discount below 1", "give one, or a horizon")


def values_of(tabular: TabularLogs, found: Solution, influence: Float[np.ndarray, " E"] | None = None) -> Values:
    """What tables of values say of the logged rows."""
    k, s, present = tabular.timestep, tabular.state, tabular.logs.present
    return Values(
        q=np.where(present, found.q[k, s, tabular.action], 0.0),
        v=np.where(present, found.v[k, s], 0.0),
        v_next=np.where(present, found.v_next[k, tabular.next_state], 0.0),
        influence=influence,
    )


def _solved(
    onward: Any, reward: Float[np.ndarray, " S"], start: Float[np.ndarray, " S"]
) -> tuple[Float[np.ndarray, " S"], Float[np.ndarray, " S"]]:
    """v = reward + onward v, and visits = start + visits onward. Raises BadInput where they are not finite."""
    from scipy.sparse import eye_array
    from scipy.sparse.linalg import splu

    try:
        factors: Any = splu((eye_array(len(reward)) - onward).tocsc())
        v, visits = factors.solve(reward), factors.solve(start, trans="T")
    except RuntimeError:  # exactly singular
        visits = np.full_like(start, np.inf)
    if not ((visits >= -1e-9) & (visits < ENDLESS)).all():
        raise BadInput("values", "the policy goes on for ever, and nothing discounts it", fix="a discount or a horizon")
    return v, visits
