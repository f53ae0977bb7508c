"""One look at an agent's critics on a fixed handful of logged rows: what they claim, and how they generalize."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Shaped

from mooring.diagnostics.critics import critics_of, read
from mooring.diagnostics.gradients import Gradient, output_gradient
from mooring.diagnostics.seem import feedback
from mooring.types import Algorithm, Batch

SAME = 1e-6  # a unit whose values on all rows differ by no more than this share of the layer's largest is dead


class Look(eqx.Module):
    """What was seen of one member of a population, whose two first critics are looked at (N)."""

    q: Float[Array, "*P N M"]  # of the data's actions, in the units that learning sees
    q_policy: Float[Array, "*P N M"]  # of the policy's actions
    implied: Float[Array, "*P N M"]  # Q - gamma Q_target at (s', the policy's action there): see `look_at`
    feedback: Float[Array, "*P N M M"]  # A of `diagnostics.seem`
    dead: Float[Array, "*P N"]  # share of hidden units that are the same for every row
    bonus: Float[Array, "*P"]  # the most that entropy can add to a reward


@jax.jit
def look(algorithms: Algorithm, agents: Any, rows: Batch) -> Look:
    """At every member of a population, on the same M raw rows. Nothing of the agents changes."""
    return jax.vmap(look_at, in_axes=(0, 0, None))(algorithms, agents, rows)


def look_at(algorithm: Any, agent: Any, rows: Batch) -> Look:
    """At one agent, which must have critics (see `critics_of`), of an algorithm with a discount.

    Where Q regresses on r + gamma Q_target, Q - gamma Q_target over all that the policy goes through has the mean of
    r + gamma (Q_target at the next step - Q_target here), in which all but r cancels: `implied` is the reward that
    values imply, as far as the rows stand for those. At rest it is (1 - gamma) Q, so that a mean above the largest
    reward is |Q| above its bound; while Q outruns its target it is more, and tells so ahead.
    """
    critics = critics_of(agent)
    assert critics is not None
    policy = algorithm.policy(agent)

    def greedy(obs: Any) -> Array:
        return critics.normalizer.to_unit(policy.act(policy.begin(), obs, None)[0])

    next_obs = jax.tree.map(partial(_where, rows.continues > 0), rows.next_obs, rows.obs)
    chosen, next_chosen = jax.vmap(greedy)(rows.obs), jax.vmap(greedy)(next_obs)
    batch = critics.normalizer.batch(replace(rows, next_obs=next_obs))

    def of_one(critic: Any, target: Any) -> tuple[Array, ...]:
        now, after = gradients(critic, batch.obs, batch.action), gradients(critic, batch.next_obs, next_chosen)
        matrix = feedback(now, after, algorithm.discount, batch.continues)
        ahead, target_ahead = (values(each, batch.next_obs, next_chosen) for each in (critic, target))
        of_data, of_policy = (values(critic, batch.obs, action) for action in (batch.action, chosen))
        return of_data, of_policy, ahead - algorithm.discount * target_ahead, matrix, dead_share(now)

    q, q_policy, implied, matrix, dead = jax.vmap(of_one)(critics.members, critics.targets)
    return Look(q, q_policy, implied, matrix, dead, critics.bonus)


def values(critic: Any, obs: Float[Array, "M O"], action: Shaped[Array, "M ..."]) -> Float[Array, " M"]:
    """One critic's Q of each row."""
    return jax.vmap(lambda obs, action: read(critic, obs, action).value())(obs, action)


def gradients(critic: Any, obs: Float[Array, "M O"], action: Shaped[Array, "M ..."]) -> Gradient:
    """Those of one critic's Q of each row, by its parameters."""
    return jax.vmap(lambda obs, action: output_gradient(*read(critic, obs, action)))(obs, action)


def dead_share(gradient: Gradient) -> Float[Array, ""]:
    """Of all hidden units, those that tell no two rows apart."""
    dead = [jnp.ptp(units, axis=0) <= SAME * jnp.max(jnp.abs(units)) for units in gradient.hidden]
    return jnp.mean(jnp.concatenate(dead).astype(jnp.float32))


def _where(goes_on: Bool[Array, " M"], one: Array, other: Array) -> Array:
    """What follows a termination means nothing: the row's own observation stands for it."""
    return jnp.where(goes_on.reshape(-1, *[1] * (one.ndim - 1)), one, other)
