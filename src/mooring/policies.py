"""Policies without memory that most algorithms ship."""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PyTree

from mooring.losses import many_actions, q_of_many
from mooring.networks.critics import Ensemble
from mooring.normalizer import Normalizer
from mooring.types import Box, Discrete, Policy, PRNGKey, static


class ActorPolicy(Policy):
    """An actor of `networks.actors` between the two sides of a normalizer: its mode, or a sample."""

    actor: Any
    normalizer: Normalizer

    def act(self, memory: PyTree, obs: PyTree, key: PRNGKey | None) -> tuple[Array, PyTree]:
        features = self.normalizer.obs(obs)
        action = self.actor.mode(features) if key is None else self.actor.sample(features, key)
        return self.normalizer.from_unit(action), memory

    def log_prob(self, memory: PyTree, obs: PyTree, action: Array) -> Float[Array, ""] | None:
        if not hasattr(self.actor, "log_prob"):
            return None
        density = self.actor.log_prob(self.normalizer.obs(obs), self.normalizer.to_unit(action))
        return density - self.normalizer.log_volume()


class GreedyPolicy(Policy):
    """argmax over a of the ensemble's mean Q(s, a); with a key: epsilon-greedy."""

    critics: Ensemble  # of DiscreteCritic
    normalizer: Normalizer
    epsilon: Array

    def act(self, memory: PyTree, obs: PyTree, key: PRNGKey | None) -> tuple[Array, PyTree]:
        q = self._q(obs)
        best = jnp.argmax(q)
        if key is None:
            return best, memory
        explore_key, action_key = jax.random.split(key)
        anything = jax.random.randint(action_key, (), 0, q.shape[0])
        return jnp.where(jax.random.bernoulli(explore_key, self.epsilon), anything, best), memory

    def log_prob(self, memory: PyTree, obs: PyTree, action: Array) -> Float[Array, ""]:
        q = self._q(obs)
        return jnp.log(self.epsilon / q.shape[0] + (1 - self.epsilon) * (action == jnp.argmax(q)))

    def _q(self, obs: PyTree) -> Float[Array, " A"]:
        return jnp.mean(self.critics.all(self.normalizer.obs(obs)), axis=0)


class BestOfMany(Policy):
    """Of many actions that are drawn, the one that the first critic values most. Without a key: the same draws always.

    Whatever has `sample(obs, key)` may propose: a model of the data's actions, or an actor.
    """

    proposer: Any
    critics: Ensemble
    normalizer: Normalizer
    samples: int = static()

    def act(self, memory: PyTree, obs: PyTree, key: PRNGKey | None) -> tuple[Array, PyTree]:
        features = self.normalizer.obs(obs)[None]
        actions = many_actions(self.proposer, features, self.samples, jax.random.key(0) if key is None else key)
        best = jnp.argmax(q_of_many(self.critics, features, actions)[0, 0])
        return self.normalizer.from_unit(actions[0, best]), memory


class Exploring(Policy):
    """A policy that acts with noise, on top of its own draws or (not `sampled`) of its greedy actions.

    The noise is normal, with a standard deviation of `noise` times half the width between the bounds; of discrete
    actions, so large a share is random.
    """

    policy: Policy
    space: Box | Discrete
    noise: Array
    sampled: bool = static()

    def begin(self) -> PyTree:
        return self.policy.begin()

    def act(self, memory: PyTree, obs: PyTree, key: PRNGKey | None) -> tuple[Array, PyTree]:
        if key is None:
            return self.policy.act(memory, obs, None)
        own_key, noise_key, choice_key = jax.random.split(key, 3)
        action, memory = self.policy.act(memory, obs, own_key if self.sampled else None)
        if isinstance(self.space, Discrete):
            anything = jax.random.randint(choice_key, (), 0, self.space.n)
            return jnp.where(jax.random.bernoulli(noise_key, self.noise), anything, action), memory
        half = (self.space.high - self.space.low) / 2
        drawn = action + self.noise * half * jax.random.normal(noise_key, action.shape)
        return jnp.clip(drawn, self.space.low, self.space.high), memory

    def observe(self, memory: PyTree, reward: Float[Array, ""]) -> PyTree:
        return self.policy.observe(memory, reward)


class TablePolicy(Policy):
    """The probability of each action in each of a few discrete observations. Without a key: the likeliest action."""

    probs: Float[Array, "S A"]

    def act(self, memory: PyTree, obs: Int[Array, ""], key: PRNGKey | None) -> tuple[Array, PyTree]:
        log_probs = jnp.log(self.probs[obs])
        return jnp.argmax(log_probs) if key is None else jax.random.categorical(key, log_probs), memory

    def log_prob(self, memory: PyTree, obs: Int[Array, ""], action: Array) -> Float[Array, ""]:
        return jnp.log(self.probs[obs, action])


class UniformPolicy(Policy):
    """Every action within the bounds alike. Without a key: their middle, or the first of discrete actions."""

    space: Box | Discrete

    def act(self, memory: PyTree, obs: PyTree, key: PRNGKey | None) -> tuple[Array, PyTree]:
        space = self.space
        if isinstance(space, Discrete):
            return jnp.zeros((), jnp.int32) if key is None else jax.random.randint(key, (), 0, space.n), memory
        share = 0.5 if key is None else jax.random.uniform(key, space.low.shape)
        return jnp.clip(space.low + share * (space.high - space.low), space.low, space.high), memory

    def log_prob(self, memory: PyTree, obs: PyTree, action: Array) -> Float[Array, ""]:
        space = self.space
        size = jnp.asarray(space.n) if isinstance(space, Discrete) else jnp.prod(space.high - space.low)
        return -jnp.log(size)


def sampled_actions(policy: Policy, obs: PyTree, key: PRNGKey) -> Array:
    """One action of a policy without memory for each of B raw observations, by a key."""
    rows = jax.tree.leaves(obs)[0].shape[0]
    return jax.vmap(lambda each, k: policy.act((), each, k)[0])(obs, jax.random.split(key, rows))
