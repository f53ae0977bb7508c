"""Episodes of a whole population of policies in a real simulator: raw returns, and nothing else.

P members play E episodes each, in P x E environments that go forward together: one compiled call gives the actions of
all, then each environment that has not ended is stepped. Each plays exactly one episode, so that short episodes,
which are over sooner, are not counted more often than long ones.

Episode e of every member starts from the same seed (common random numbers): differences between members are
differences between policies.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
from jaxtyping import Float64, Int64

from mooring.environments.acting import act, begin, observe, stacked
from mooring.environments.making import check_spaces, make
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


def rollout(policies: Policy, env_id: str, episodes: int, seed: int = 0, sampled: bool = False) -> Returns:
    """Plays `episodes` episodes with every member of a population of policies (stacked: every leaf leads with P).

    Greedy, or with actions drawn from the policies where `sampled`. The result depends on the arguments alone.
    Raises BadInput where the environment is unknown, does not fit the data that the policies were trained on, fails
    (naming member, episode and step) or does not end an episode within `LONGEST` steps.
    """
    with Environments(env_id, population(policies), episodes, spec_of(policies)) as environments:
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

    With a `spec`, BadInput where its spaces are not theirs. `made_by` may make them otherwise than `make` does.
    """

    def __init__(
        self,
        env_id: str,
        members: int,
        episodes: int,
        spec: Spec | None = None,
        made_by: Callable[[str], Any] = make,
    ) -> None:
        if episodes < 1:
            raise BadInput("episodes", f"found {episodes}", "at least 1")
        self.env_id, self.shape = env_id, (members, episodes)
        with ExitStack() as made:
            self.envs = [made.enter_context(made_by(env_id)) for _ in range(members * episodes)]
            if spec is not None:
                check_spaces(self.envs[0], spec)
            self._open = made.pop_all()

    def __enter__(self) -> Environments:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes every environment."""
        self._open.close()

    def rollout(self, policies: Policy, seed: int = 0, sampled: bool = False) -> Returns:
        """One episode in each environment; see `rollout`."""
        key = jax.random.key(seed) if sampled else None
        obs = self._reset(seed)
        memory = begin(policies, *self.shape)
        returns, lengths = np.zeros(len(obs)), np.zeros(len(obs), np.int64)
        alive = np.ones(len(obs), bool)
        for step in range(LONGEST):
            actions, memory = act(policies, memory, stacked(obs, self.shape), key, step)
            action = np.asarray(actions).reshape(len(obs), *actions.shape[2:])
            broken = alive & ~np.isfinite(action).reshape(len(obs), -1).all(axis=1)
            returns[broken], alive[broken] = np.nan, False
            lengths += alive
            reward = self._step(action, alive, obs, step)
            returns += reward
            if not alive.any():
                return Returns(returns.reshape(self.shape), lengths.reshape(self.shape))
            if jax.tree.leaves(memory):
                memory = observe(policies, memory, reward.astype(np.float32).reshape(self.shape))
        trouble = f"an episode did not end within {LONGEST} steps"
        raise BadInput(f"environment {self.env_id}", trouble, fix="give it a time limit: gymnasium.wrappers.TimeLimit")

    def _reset(self, seed: int) -> list[Any]:
        """First observations. Neighboring seeds share no episode, as they would with seed + e."""
        members, episodes = self.shape
        seeds = np.random.SeedSequence(seed).generate_state(episodes).tolist() * members
        obs: list[Any] = []
        for env, own in zip(self.envs, seeds, strict=True):
            try:
                obs.append(env.reset(seed=own)[0])
            except Exception as error:
                raise self._failure(len(obs), "reset", error) from error
        return obs

    def _step(self, action: np.ndarray, alive: np.ndarray, obs: list[Any], step: int) -> Float64[np.ndarray, " PE"]:
        """Steps the environments that are alive; changes `obs` and `alive` in place and returns rewards, else 0."""
        reward = np.zeros(len(obs))
        for index in np.flatnonzero(alive).tolist():
            try:
                obs[index], reward[index], terminated, truncated, _ = self.envs[index].step(action[index])
            except Exception as error:
                raise self._failure(index, f"step {step}", error) from error
            alive[index] = not (terminated or truncated)
        return reward

    def _failure(self, index: int, when: str, error: Exception) -> BadInput:
        who, episode = divmod(index, self.shape[1])
        where = f"environment {self.env_id}, member {who}, episode {episode}, {when}"
        return BadInput(where, f"{type(error).__name__}: {error}")
