"""`Logs`: logged episodes beside one another, with what the behavior and the target policy say of each action."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float, Int

from mooring.data.dataset import Dataset
from mooring.data.spaces import Discrete
from mooring.errors import BadInput

Table = Float[np.ndarray, "E T"]

GROUPS = "group"
"""The column of `extra` that says whose row it is (user, patient, machine), where several episodes are one's."""


LARGEST = 100.0
"""The logarithm of the largest weight: beyond it sums of cubes may not be numbers, and no episode beside it counts."""

FOLDS = 5
"""Into which groups are shared for cross-fitting; ours."""


@dataclass(frozen=True, eq=False)
class Logs:
    """E episodes of at most T steps, in float64. Past an episode's end every number is 0, and `present` is False.

    `discount` is that between a row and the next: discount * continues of the data, so 0 where the MDP terminated.
    `log_behavior` and `log_target` are the log probabilities (densities) of the logged action; None where nobody
    knows them. -inf is a probability of zero, which only the target may have. `groups` are independent units, as
    numbers 0, 1, ...; by default each episode is one.
    """

    rows: Int[np.ndarray, "E T"]  # of the data set; past the end the last one
    present: Bool[np.ndarray, "E T"]
    reward: Table
    discount: Table
    groups: Int[np.ndarray, " E"]
    log_behavior: Table | None = None
    log_target: Table | None = None

    @classmethod
    def of(
        cls,
        data: Dataset,
        discount: float,
        log_behavior: Float[np.ndarray, " N"] | None = None,
        log_target: Float[np.ndarray, " N"] | None = None,
    ) -> Logs:
        """The episodes of a data set; log probabilities are one number per row of it.

        Raises BadInput where the discount is outside 0 .. 1, where there are fewer than two episodes or all are of one
        group, or where a probability of the behavior policy is 0, and of either is not a number.
        """
        if not 0 <= discount <= 1:
            raise BadInput("discount", f"{discount}", "from 0 to 1")
        if data.num_episodes < 2:
            raise BadInput(data.name, "there is one episode", "at least two", "give more, or cut it by in_blocks")
        groups = groups_of(data)
        if not groups.any():
            raise BadInput(data.name, f"its {len(groups)} episodes are all of one group", "at least two groups")
        present = np.arange(data.lengths.max()) < data.lengths[:, None]
        rows = np.where(present, data.starts[:, None] + np.arange(present.shape[1]), data.ends[:, None])
        nothing = np.zeros(rows.shape)
        logs = cls(rows, present, nothing, nothing, groups)
        known = {"log_behavior": log_behavior, "log_target": log_target}
        return replace(
            logs,
            reward=logs.of_rows(data.reward.astype(np.float64)),
            discount=logs.of_rows(discount * data.continues.astype(np.float64)),
            **{
                name: logs.of_rows(_checked(column, name, data)) for name, column in known.items() if column is not None
            },
        )

    def __len__(self) -> int:
        return len(self.reward)

    @property
    def horizon(self) -> int:
        return self.reward.shape[1]

    @cached_property
    def so_far(self) -> Table:
        """The discount of each step against the episode's start: 1 at the first; 0 after a terminal row."""
        before = np.where(self.present, self.discount, 0)[:, :-1]
        return np.cumprod(np.concatenate([np.ones((len(self), 1)), before], axis=1), axis=1)

    @cached_property
    def returns(self) -> Float[np.ndarray, " E"]:
        """The discounted return of each episode."""
        return (self.so_far * self.reward).sum(1)

    @cached_property
    def cut_off(self) -> Bool[np.ndarray, " E"]:
        """Which episodes did not terminate: a time limit, or the end of the log, cut them off."""
        last = self.present.sum(1) - 1
        return np.asarray(self.discount[np.arange(len(self)), last] > 0)

    @cached_property
    def log_ratio(self) -> Table:
        """log of target / behavior of each action; 0 past the end. Raises BadInput where either is not known."""
        if self.log_behavior is None or self.log_target is None:
            whose = "behavior" if self.log_behavior is None else "target"
            fix = {
                "behavior": 'log them (a column "action_log_prob"), or have them estimated',
                "target": "a greedy policy over continuous actions has none: judge it by values, or by its own draws",
            }[whose]
            raise BadInput("importance sampling", f"the {whose} policy's probabilities are not known", fix=fix)
        return self.log_target - self.log_behavior

    @cached_property
    def ratio(self) -> Table:
        """target / behavior of each action; 1 past the end."""
        return np.exp(np.minimum(self.log_ratio, LARGEST))

    @cached_property
    def weight(self) -> Table:
        """The product of the ratios up to and with each step. Past the end it stays what it was."""
        return np.exp(np.minimum(self.log_ratio.cumsum(1), LARGEST))

    @cached_property
    def weight_before(self) -> Table:
        """The product of the ratios before each step: 1 at the first."""
        return np.concatenate([np.ones((len(self), 1)), self.weight[:, :-1]], axis=1)

    def of_rows(self, column: Float[np.ndarray, " N"]) -> Table:
        """A column of the data set, one number per row, laid out like the others."""
        return np.where(self.present, column[self.rows], 0.0)

    def take(self, episodes: Int[np.ndarray, " M"] | Bool[np.ndarray, " E"]) -> Logs:
        """Some of the episodes, each of them still in its group."""
        taken: dict[str, np.ndarray] = {}
        for name in ("rows", "present", "reward", "discount", "groups", "log_behavior", "log_target"):
            column = getattr(self, name)
            if column is not None:
                taken[name] = column[episodes]
        return replace(self, **taken)


@dataclass(frozen=True, eq=False)
class Values:
    """What a value function of the target policy says of the logged rows, in raw units; 0 past an episode's end.

    `q` is that of the logged action, `v` of the observation, `v_next` of the next one: 0 where the episode's value
    ends there, be it at a terminal row or at the horizon that values are counted to. `influence`, one number per
    episode, says how the episode moved mean(v at the start) by having been learned from, where that is known.
    """

    q: Table
    v: Table
    v_next: Table
    influence: Float[np.ndarray, " E"] | None = None

    @classmethod
    def zero(cls, logs: Logs) -> Values:
        """No value anywhere: doubly robust estimates become importance sampling."""
        nothing = np.zeros_like(logs.reward)
        return cls(nothing, nothing, nothing)

    @classmethod
    def constant(cls, logs: Logs, value: float) -> Values:
        """The same value everywhere, for tests."""
        return cls(*(np.where(logs.present, value, 0.0) for _ in range(3)))

    @property
    def start(self) -> Float[np.ndarray, " E"]:
        """The value of each episode's first observation."""
        return np.asarray(self.v[:, 0])

    def temporal_differences(self, logs: Logs) -> Table:
        """reward + discount V(next_obs) - Q(obs, action)."""
        return logs.reward + logs.discount * self.v_next - self.q


def folds_of(
    groups: Int[np.ndarray, " E"], folds: int, seed: int, where: str, called: str = "groups"
) -> Int[np.ndarray, " E"]:
    """The fold of each episode, 0, 1, ...: whole groups at random, as many in each as can be, for cross-fitting.

    Raises BadInput, naming `where` and what groups are `called` there, where there are fewer than two of either.
    """
    units = len(np.unique(groups))
    if folds < 2 or units < 2:
        raise BadInput(where, f"{units} {called} in {folds} folds", "at least two of both")
    return (np.random.default_rng(seed).permutation(int(groups.max()) + 1) % min(folds, units))[groups]


def in_blocks(data: Dataset, length: int) -> Dataset:
    """The data with every episode cut into blocks of so many rows: units for a stream that goes on and on.

    Rows after one another depend on each other, so a block should be much longer than that dependence lasts. A rest
    that is shorter than a block belongs to the one before. Values are then those of the observations that blocks
    begin with. Raises BadInput where fewer than two blocks come out.
    """
    within, lengths = data.column("timestep"), np.repeat(data.lengths, data.lengths)
    ends = (within + 1) % length == 0 if length > 0 else np.zeros(len(data), bool)
    last = data.last | (ends & (lengths - within > length))
    if last.sum() < 2:
        raise BadInput(data.name, f"{len(data)} rows in blocks of {length}", "at least two blocks")
    return replace(data, last=last)


def _checked(column: Float[np.ndarray, " N"], name: str, data: Dataset) -> Float[np.ndarray, " N"]:
    """Log probabilities, each a number, not of above 1 where actions are discrete, and above 0 where it was logged."""
    whose = f"the {name.removeprefix('log_')} policy"
    if len(column) != len(data):
        raise BadInput(data.name, f"{len(column)} probabilities of {whose}", f"{len(data)}, one per row")
    faults = {"is not a number": np.isnan(column) | (column == np.inf)}
    if isinstance(data.action_space, Discrete):
        faults["is above 1"] = column > 1e-4
    if name == "log_behavior":
        faults["is 0, though it took the action,"] = column == -np.inf
    for fault, bad in faults.items():
        if bad.any():
            found = f"an action's probability under {whose} {fault} in {bad.sum()} rows, first row {np.argmax(bad)}"
            raise BadInput(data.name, found, fix="log the true probability of each action")
    return np.asarray(column, np.float64)


def groups_of(data: Dataset) -> Int[np.ndarray, " E"]:
    """The independent unit of each episode, as numbers 0, 1, ...; raises BadInput where one changes within it."""
    if GROUPS not in data.extra:
        return np.arange(data.num_episodes)
    named = data.extra[GROUPS]
    within = np.flatnonzero((named[1:] != named[:-1]) & ~data.last[:-1])
    if len(within):
        raise BadInput(data.name, f"{GROUPS} changes within an episode, at row {within[0] + 1}", "one per episode")
    return np.unique(named[data.starts], return_inverse=True)[1]
