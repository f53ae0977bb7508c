"""Environments that policies act in without end, to make data: one compiled call acts in all of them.

An episode that ends is followed by another one in the same step, so what a step returned is always the next
observation of that step, and never one from after a reset (Gymnasium's vector environments, by their mode of resetting,
put either there). Each episode's seed follows from the step at which it begins: what happens depends on seeds, step
and policies alone, and an episode under way can be lived again from its logged actions.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Bool, Float32, PyTree

from mooring.environments.acting import act, begin, begin_again, log_probs, observe, stacked
from mooring.environments.deadline import deadline
from mooring.environments.group import told
from mooring.environments.making import make
from mooring.errors import BadInput
from mooring.types import Policy


class Rows(NamedTuple):
    """What happened, in NumPy, with axes (P, B). `last` marks where episodes ended, for whatever reason."""

    obs: PyTree
    action: np.ndarray
    reward: Float32[np.ndarray, "..."]
    next_obs: PyTree
    continues: Float32[np.ndarray, "..."]
    last: Bool[np.ndarray, "..."]
    action_log_prob: Float32[np.ndarray, "..."] | None = None  # None where the policies do not tell it


class Ended(NamedTuple):
    """An episode that ended: whose it was, in which of its environments, at which step, and all its rewards."""

    who: int
    place: int
    step: int
    rewards: list[float]


class Unfinished(BadInput):
    """An environment failed, or hung, after the steps in `rows`."""

    rows: Rows | None = None


class Players:
    """P x E environments of one kind, E for each member of a population of policies. Close them.

    `step` counts the steps that each environment has made; `ended` holds the episodes that ended since it was emptied.
    A step of an environment that takes more than `patience` seconds (None: forever) counts as failed.
    """

    def __init__(self, env_id: str, members: int, envs: int, seed: int, patience: float | None = None) -> None:
        if envs < 1:
            raise BadInput("environments", f"found {envs}", "at least 1")
        self.env_id, self.patience = env_id, patience
        self.shape, self.seed, self.step = (members, envs), seed, 0
        self.episodes = [0] * (members * envs)  # how many each environment has begun
        self.ended: list[Ended] = []
        self.memory: PyTree | None = None
        with ExitStack() as made:
            self.envs = [made.enter_context(make(env_id)) for _ in range(members * envs)]
            self._open = made.pop_all()
        self.rewards: list[list[float]] = [[] for _ in self.envs]  # of the episodes under way
        self.obs = [self._reset(index) for index in range(len(self.envs))]

    def close(self) -> None:
        """Closes every environment."""
        self._open.close()

    def play(self, policies: Policy, steps: int) -> Rows:
        """`steps` more steps of each environment, with sampled actions, as rows (P, steps E): step by step.

        Raises Unfinished where an environment fails, with the rows of the steps that all of them had made.
        """
        key = jax.random.key(self.seed)
        memory = begin(policies, *self.shape) if self.memory is None else self.memory
        rows: list[Rows] = []
        for _ in range(steps):
            obs = stacked(self.obs, self.shape)
            actions, memory = act(policies, memory, obs, key, self.step)
            try:
                rows.append(self._forward(obs, np.asarray(actions)))
            except Unfinished as error:
                error.rows = self._played(policies, memory, rows) if rows else None
                raise
            if jax.tree.leaves(memory):
                memory = observe(policies, memory, rows[-1].reward)
                memory = begin_again(policies, memory, rows[-1].last)
        self.memory = memory
        return self._played(policies, memory, rows)

    def _played(self, policies: Policy, memory: PyTree, rows: Sequence[Rows]) -> Rows:
        """Steps end to end, with what the policies tell of their actions."""
        played = jax.tree.map(lambda *parts: _joined(parts), *rows)
        known = None if jax.tree.leaves(memory) else log_probs(policies, played.obs, played.action)
        return played._replace(action_log_prob=None if known is None else np.asarray(known))

    def resume(self, rows: Rows, step: int) -> Bool[np.ndarray, "P E"]:
        """Goes on after `step` steps of which `rows` (P, n E) are the newest n: lives the episodes under way again.

        Where an episode's beginning is not among the rows, or the environment does not repeat itself, a new one begins:
        returns which are lost so. What policies remember is lost too.
        """
        self.step, lost = step, np.zeros(self.shape, bool)
        for index in range(len(self.envs)):
            who, place = divmod(index, self.shape[1])
            stream = jax.tree.map(lambda leaf: leaf[who, place :: self.shape[1]], rows)  # noqa: B023
            lost[who, place] = not self._relive(index, stream)
        return lost

    def _relive(self, index: int, stream: Rows) -> bool:
        """Brings one environment to where its rows lead. Begins a new episode, and returns False, where it can not."""
        ends = np.flatnonzero(stream.last)
        first = int(ends[-1]) + 1 if len(ends) else 0
        known = len(ends) > 0 or len(stream.reward) == self.step
        began = self.step - len(stream.reward) + first
        self.obs[index] = self._reset(index, began if known else self.step)
        for row in range(first, len(stream.reward)) if known else ():
            self.obs[index], reward, *_ = self.envs[index].step(stream.action[row])
            self.rewards[index].append(float(reward))
            if not _equal(stacked([self.obs[index]], (1, 1)), stream.next_obs, row):
                self.obs[index] = self._reset(index)
                return False
        return known

    def _forward(self, obs: PyTree, actions: np.ndarray) -> Rows:
        """One step of every environment."""
        flat = actions.reshape(len(self.envs), *actions.shape[2:])
        if not np.isfinite(flat).all():
            raise BadInput("policy", f"gave an action that is not finite, at step {self.step}")
        reward, continues = np.zeros(self.shape, np.float32), np.zeros(self.shape, np.float32)
        last = np.zeros(self.shape, bool)
        self.step += 1
        after = []
        for index in range(len(self.envs)):
            self.obs[index], gain, terminated, truncated, _ = self._stepped(index, flat[index])
            after.append(self.obs[index])
            self.rewards[index].append(float(gain))
            reward.flat[index], continues.flat[index] = float(gain), not terminated
            if terminated or truncated:
                last.flat[index] = True
                self.ended.append(Ended(*divmod(index, self.shape[1]), self.step, self.rewards[index]))
                self.obs[index] = self._reset(index)
        return Rows(obs, actions, reward, stacked(after, self.shape), continues, last)

    def _stepped(self, index: int, action: Any) -> Any:
        """What an environment returns for an action. Raises BadInput, naming the episode, where it fails or hangs."""
        try:
            with deadline(self.patience):
                return self.envs[index].step(action)
        except Exception as error:
            who, place = divmod(index, self.shape[1])
            of = f"of environment {place} of member {who}"
            where = f"{self.env_id}, episode {self.episodes[index]} {of}, step {self.step}"
            raise Unfinished(where, told(error)) from error

    def _reset(self, index: int, began: int | None = None) -> Any:
        """The first observation of the episode that begins at a step, by default the present one."""
        self.episodes[index] += 1
        self.rewards[index] = []
        episode = (self.seed, index, self.step if began is None else began)
        return self.envs[index].reset(seed=seed_of(*episode))[0]


def seed_of(*parts: int) -> int:
    """A seed of 32 bits that the parts decide; other parts give an unrelated one."""
    return int(np.random.SeedSequence(parts).generate_state(1)[0])


def _joined(parts: tuple[np.ndarray, ...]) -> np.ndarray:
    """(P, E, ...) of each step as (P, steps E, ...)."""
    whole = np.stack(parts, axis=1)
    return whole.reshape(whole.shape[0], -1, *whole.shape[3:])


def _equal(obs: PyTree, rows: PyTree, row: int) -> bool:
    """Whether an observation (1, 1, ...) is that row's."""
    same = jax.tree.map(lambda one, column: np.array_equal(one[0, 0], column[row]), obs, rows)
    return all(jax.tree.leaves(same))
