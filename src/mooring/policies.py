"""Policies without memory that most algorithms ship."""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Key, PyTree

from mooring.networks.critics import Ensemble
from mooring.normalizer import Normalizer
from mooring.types import Policy


class ActorPolicy(Policy):
    """An actor of `networks.actors` between the two sides of a normalizer: its mode, or a sample."""

    actor: Any
    normalizer: Normalizer

    def act(self, memory: PyTree, obs: PyTree, key: Key[Array, ""] | None) -> tuple[Array, PyTree]:
        features = self.normalizer.obs(obs)
        action = self.actor.mode(features) if key is None else self.actor.sample(features, key)
        return self.normalizer.from_unit(action), memory


class GreedyPolicy(Policy):
    """argmax over a of the ensemble's mean Q(s, a); with a key: epsilon-greedy."""

    critics: Ensemble  # of DiscreteCritic
    normalizer: Normalizer
    epsilon: Array

    def act(self, memory: PyTree, obs: PyTree, key: Key[Array, ""] | None) -> tuple[Array, PyTree]:
        q = jnp.mean(self.critics.all(self.normalizer.obs(obs)), axis=0)
        best = jnp.argmax(q)
        if key is None:
            return best, memory
        explore_key, action_key = jax.random.split(key)
        anything = jax.random.randint(action_key, (), 0, q.shape[0])
        return jnp.where(jax.random.bernoulli(explore_key, self.epsilon), anything, best), memory
