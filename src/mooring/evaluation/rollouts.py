"""Episodes of a whole population of policies in a real simulator: raw returns, and nothing else.

P members play E episodes each, in P x E environments that go forward together: one compiled call gives the actions of
all, then each environment that has not ended is stepped, in this process or in several. Each plays exactly one episode,
so that short episodes, which are over sooner, are not counted more often than long ones.

Episode e of every member starts from the same seed (common random numbers): differences between members are
differences between policies.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
from jaxtyping import Float64, Int64

from mooring.environments.acting import act, begin, observe, shaped
from mooring.environments.group import Failed, Rows
from mooring.environments.making import make
from mooring.environments.processes import group_of
from mooring.errors import BadInput
from mooring.loop import member
from mooring.normalizer import Normalizer
from mooring.types import Policy, Spec

LONGEST = 100_000
"""Steps after which an episode is taken to have no end."""


@dataclass(frozen=True)
class Returns:
    """What P members got in E episodes each: raw undiscounted returns, and lengths in steps.

    A return is NaN where the policy gave an action that is not finite; the episode was cut there.
    """

    returns: Float64[np.ndarray, "P E"]
    lengths: Int64[np.ndarray, "P E"]


def rollout(
    policies: Policy, env_id: str, episodes: int, seed: int = 0, sampled: bool = False, processes: int | None = None
) -> Returns:
    """Plays `episodes` episodes with every member of a population of policies (stacked: every leaf leads with P).

    Greedy, or with actions drawn from the policies where `sampled`. The result depends on these arguments alone, and
    not on how many `processes` step the environments (`environments.processes.group_of`).
    Raises BadInput where the environment is unknown, does not fit the data that the policies were trained on, fails
    (naming member, episode and step) or does not end an episode within `LONGEST` steps.
    """
    with Environments(env_id, population(policies), episodes, spec_of(policies), processes) as environments:
        return environments.rollout(policies, seed, sampled)


def population(policies: Policy) -> int:
    """P: how many members are stacked."""
    leaves = jax.tree.leaves(policies)
    return len(leaves[0]) if leaves else 1


def is_population(policies: Policy) -> bool:
    """Whether the normalizer that the policies carry is stacked. A policy without one is taken for a single one."""
    spec = _spec(policies)
    return spec is not None and spec.reward_scale.ndim == 1


def spec_of(policies: Policy) -> Spec | None:
    """What a policy, or the first of a population, was made for: the spec of the normalizer that it carries."""
    spec = _spec(policies)
    return member(spec, 0) if spec is not None and spec.reward_scale.ndim == 1 else spec


def _spec(policies: Policy) -> Spec | None:
    """Stacked, where the policies are. A policy's own comes first: its normalizer may see other observations."""
    own = getattr(policies, "spec", None)
    if isinstance(own, Spec):
        return own
    nodes = jax.tree.leaves(policies, is_leaf=lambda node: isinstance(node, Normalizer))
    return next((node.spec for node in nodes if isinstance(node, Normalizer)), None)


class Environments:
    """P x E environments of one kind, made once and played as often as wanted. A context manager that closes them.

    With a `spec`, BadInput where its spaces are not theirs. `processes` are as in `rollout`. `made_by` makes them
    otherwise than `make` does, and in this process.
    """

    def __init__(
        self,
        env_id: str,
        members: int,
        episodes: int,
        spec: Spec | None = None,
        processes: int | None = None,
        made_by: Callable[[str], Any] = make,
    ) -> None:
        if episodes < 1:
            raise BadInput("episodes", f"found {episodes}", "at least 1")
        self.env_id, self.shape = env_id, (members, episodes)
        self.group = group_of(env_id, members * episodes, spec, processes, made_by)

    def __enter__(self) -> Environments:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes every environment."""
        self.group.close()

    def rollout(self, policies: Policy, seed: int = 0, sampled: bool = False) -> Returns:
        """One episode in each environment; see `rollout`."""
        key = jax.random.key(seed) if sampled else None
        obs = self._reset(seed)
        memory = begin(policies, *self.shape)
        count = self.shape[0] * self.shape[1]
        returns, lengths, alive = np.zeros(count), np.zeros(count, np.int64), np.ones(count, bool)
        for step in range(LONGEST):
            actions, memory = act(policies, memory, shaped(obs, self.shape), key, step)
            action = np.asarray(actions).reshape(count, *actions.shape[2:])
            broken = alive & ~np.isfinite(action).reshape(count, -1).all(axis=1)
            returns[broken], alive[broken] = np.nan, False
            lengths += alive
            try:
                obs, reward, ended = self.group.step(action, alive)
            except Failed as error:
                raise self._failure(error, f"step {step}") from error
            returns += reward
            alive &= ~ended
            if not alive.any():
                return Returns(returns.reshape(self.shape), lengths.reshape(self.shape))
            if jax.tree.leaves(memory):
                memory = observe(policies, memory, reward.astype(np.float32).reshape(self.shape))
        trouble = f"an episode did not end within {LONGEST} steps"
        raise BadInput(f"environment {self.env_id}", trouble, fix="give it a time limit: gymnasium.wrappers.TimeLimit")

    def _reset(self, seed: int) -> Rows:
        """First observations. Neighboring seeds share no episode, as they would with seed + e."""
        members, episodes = self.shape
        try:
            return self.group.reset(np.random.SeedSequence(seed).generate_state(episodes).tolist() * members)
        except Failed as error:
            raise self._failure(error, "reset") from error

    def _failure(self, failed: Failed, when: str) -> BadInput:
        who, episode = divmod(failed.index, self.shape[1])
        return BadInput(f"environment {self.env_id}, member {who}, episode {episode}, {when}", failed.trouble)
