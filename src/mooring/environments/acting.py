"""P policies that act in E environments each, with one compiled call for all of them at every step."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial, reduce
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, PyTree, Shaped

from mooring.environments.group import Rows, rows
from mooring.types import Policy, PRNGKey


def stacked(obs: Sequence[Any], shape: tuple[int, int]) -> PyTree:
    """Observations (P, E, ...) in the types of `Dataset.obs`, in new arrays."""
    return shaped(rows(obs), shape)


def shaped(rows: Rows, shape: tuple[int, int]) -> PyTree:
    """Rows of P x E environments as (P, E, ...)."""
    return jax.tree.map(lambda part: part.reshape(*shape, *part.shape[1:]), rows)


@partial(jax.jit, static_argnames=("members", "episodes"))
def begin(policies: Policy, members: int, episodes: int) -> PyTree:
    """First memories (P, E, ...)."""

    def one(policy: Policy, who: Array, episode: Array) -> PyTree:
        return policy.begin()

    each = jax.vmap(one, in_axes=(None, None, 0))
    return jax.vmap(each, in_axes=(0, 0, None))(policies, jnp.arange(members), jnp.arange(episodes))


@jax.jit
def act(
    policies: Policy, memory: PyTree, obs: PyTree, key: PRNGKey | None, step: int | Int[Array, ""]
) -> tuple[Array, PyTree]:
    """Actions (P, E, ...) and the next memories. Each member, episode and step has its own key."""
    members, episodes = (jnp.arange(size) for size in jax.tree.leaves(obs)[0].shape[:2])

    def one(policy: Policy, memory: PyTree, obs: PyTree, who: Array, episode: Array) -> tuple[Array, PyTree]:
        own = key
        if key is not None:
            own = reduce(jax.random.fold_in, (who, episode, step), key)
        return policy.act(memory, obs, own)

    each = jax.vmap(one, in_axes=(None, 0, 0, None, 0))
    return jax.vmap(each, in_axes=(0, 0, 0, 0, None))(policies, memory, obs, members, episodes)


@jax.jit
def observe(policies: Policy, memory: PyTree, reward: Float[Array, "P E"]) -> PyTree:
    """Memories that have seen the last rewards."""

    def one(policy: Policy, memory: PyTree, reward: Float[Array, ""]) -> PyTree:
        return policy.observe(memory, reward)

    return jax.vmap(jax.vmap(one, in_axes=(None, 0, 0)))(policies, memory, reward)


@jax.jit
def begin_again(policies: Policy, memory: PyTree, ended: Bool[Array, "P E"]) -> PyTree:
    """Memories, of which those of ended episodes are first ones again."""

    def one(policy: Policy, memory: PyTree, ended: Bool[Array, ""]) -> PyTree:
        return jax.tree.map(lambda first, now: jnp.where(ended, first, now), policy.begin(), memory)

    return jax.vmap(jax.vmap(one, in_axes=(None, 0, 0)))(policies, memory, ended)


@jax.jit
def log_probs(policies: Policy, obs: PyTree, action: Shaped[Array, "P B ..."]) -> Float[Array, "P B"] | None:
    """Of rows that policies without memory took; None where those do not know it."""

    def one(policy: Policy, obs: PyTree, action: Array) -> Float[Array, ""] | None:
        return policy.log_prob(policy.begin(), obs, action)

    return jax.vmap(jax.vmap(one, in_axes=(None, 0, 0)))(policies, obs, action)
