"""The hook that lets each member act in an environment and puts what happens into its replay buffer."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Key, PyTree

from mooring.data.episodes import Episode
from mooring.environments.making import make
from mooring.errors import BadInput
from mooring.hooks import Hook
from mooring.loop import member
from mooring.sources import Replay, add_rows
from mooring.types import Batch, Policy

if TYPE_CHECKING:
    from mooring.environments.making import Env
    from mooring.training import Session


class Collect(Hook):
    """After every `every` updates, `steps` steps with sampled actions in one environment for each member.

    The session's source must be a `Replay`. `players` keep the episodes that have ended.
    """

    def __init__(self, env_id: str, every: int, steps: int, seed: int = 0) -> None:
        self.env_id, self.every, self.steps, self.seed = env_id, every, steps, seed
        self.players: list[Player] = []

    def __call__(self, session: Session) -> None:
        if not isinstance(session.source, Replay):
            raise BadInput("Collect", f"the source is a {type(session.source).__name__}", "a Replay")
        if not self.players:
            seeds = np.random.SeedSequence(self.seed).generate_state(len(session.members)).tolist()
            self.players = [Player(make(self.env_id), seed) for seed in seeds]
        policies, key = session.policies(), jax.random.fold_in(jax.random.key(self.seed), session.step)
        rows = [
            player.play(member(policies, index), jax.random.fold_in(key, index), self.steps)
            for index, player in enumerate(self.players)
        ]
        stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *rows)
        session.run = replace(session.run, source=add_rows(session.source, session.run.source, stacked))

    def close(self) -> None:
        for player in self.players:
            player.env.close()


class Player:
    """One environment, the episode that is under way in it, and those that have ended."""

    def __init__(self, env: Env, seed: int) -> None:
        self.env = env
        self.ended: list[Episode] = []
        self.memory: PyTree | None = None
        self._begin(seed)

    def play(self, policy: Policy, key: Key[Array, ""] | None, steps: int) -> Batch:
        """`steps` more steps, as rows; greedy without a key. An episode that ends is followed by a new one."""
        rows = []
        for step in range(steps):
            if self.memory is None:
                self.memory = policy.begin()
            action, self.memory = _act(policy, self.memory, self.obs[-1], key, step)
            taken = np.asarray(action)
            obs, reward, terminated, truncated, _ = self.env.step(taken)
            self.memory = policy.observe(self.memory, jnp.float32(reward))
            rows.append((self.obs[-1], taken, reward, obs, not terminated))
            self.obs.append(obs)
            self.actions.append(taken)
            self.rewards.append(float(reward))
            if terminated or truncated:
                self._end(terminated)
        return Batch(*jax.tree.map(_column, *rows))

    def _end(self, terminated: bool) -> None:
        obs = jax.tree.map(lambda *parts: np.stack(parts), *self.obs)
        self.ended.append(Episode(obs, np.stack(self.actions), np.array(self.rewards), terminated))
        self._begin(None)

    def _begin(self, seed: int | None) -> None:
        self.obs: list[PyTree] = [self.env.reset(seed=seed)[0]]
        self.actions: list[np.ndarray] = []
        self.rewards: list[float] = []
        self.memory = None


@jax.jit
def _act(policy: Policy, memory: PyTree, obs: PyTree, key: Key[Array, ""] | None, step: int) -> Any:
    obs = jax.tree.map(lambda leaf: leaf.astype(_typed(leaf)), obs)
    return policy.act(memory, obs, None if key is None else jax.random.fold_in(key, step))


def _column(*entries: Any) -> Array:
    column = np.stack(entries)
    return jnp.asarray(column, _typed(column))


def _typed(leaf: Any) -> Any:
    """The types of a data set's columns: uint8 stays, other integers are int32, all else is float32."""
    if leaf.dtype == jnp.uint8:
        return jnp.uint8
    return jnp.int32 if jnp.issubdtype(leaf.dtype, jnp.integer) else jnp.float32
