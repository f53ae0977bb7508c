"""Where an agent keeps its critics, and how each kind of critic reads its value off a perceptron."""

from __future__ import annotations

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Shaped

from mooring.networks.critics import Critic, DiscreteCritic, Ensemble, ManyHeadedCritic, QuantileCritic
from mooring.networks.mlp import MLP
from mooring.normalizer import Normalizer
from mooring.types import Learner

LOOKED_AT = 2  # members of an ensemble: the others learn from the same rows as these
KINDS = (Critic, DiscreteCritic, ManyHeadedCritic, QuantileCritic)


class Critics(eqx.Module):
    """Those of an agent that are looked at, stacked, the targets that follow them, and what lies before both.

    `bonus` is the most that entropy can add to a reward on average: its weight times the entropy of uniform actions in
    [-1, 1]; 0 for agents without a temperature.
    """

    members: Any
    targets: Any
    normalizer: Normalizer
    bonus: Float[Array, ""]


class Read(NamedTuple):
    """Q(s, a) as a weighted sum of a perceptron's outputs."""

    net: MLP
    x: Float[Array, " I"]
    weights: Float[Array, " O"]

    def value(self) -> Float[Array, ""]:
        return self.weights @ self.net(self.x)


def critics_of(agent: Any) -> Critics | None:
    """By the names that agents' fields have: `critics` or `critic`, in the agent or in its networks.

    None for an agent without critics, and for critics that are not one ensemble of plain perceptrons with targets of
    their form (TD7's, CrossQ's, balanced replay's).
    """
    holders: tuple[Any, ...] = agent, getattr(agent, "networks", None), getattr(agent, "learner", None)
    for holder in holders:
        learner = getattr(holder, "critics", getattr(holder, "critic", None))
        if isinstance(learner, Learner):
            target = getattr(holder, "target_critics", getattr(holder, "target", None))
            members, targets = _looked_at(learner.model), _looked_at(target)
            found = _plain(members) and _plain(targets)
            return Critics(members, targets, holder.normalizer, _bonus(holder)) if found else None
    return None


def _bonus(holder: Any) -> Float[Array, ""]:
    log_temperature = getattr(holder, "log_temperature", None)
    if log_temperature is None:
        return jnp.zeros(())
    return jnp.exp(log_temperature.model) * holder.normalizer.actions * jnp.log(2.0)


def _plain(members: Any) -> bool:
    """One ensemble of a known kind, and not several of them."""
    return isinstance(members, KINDS) and members.net.layers[0].bias.ndim == 2


def _looked_at(model: Any) -> Any:
    """The first members of an ensemble; another model as the only one."""
    if isinstance(model, Ensemble):
        return jax.tree.map(lambda leaf: leaf[:LOOKED_AT], model.members)
    return jax.tree.map(lambda leaf: leaf[None], model)


def read(critic: Any, obs: Float[Array, " O"], action: Shaped[Array, "..."]) -> Read:
    """Any kind's Q of one pair, in the networks' units."""
    outputs = len(critic.net.layers[-1].bias)
    if isinstance(critic, Critic | QuantileCritic):
        return Read(critic.net, jnp.concatenate([obs, action]), jnp.full(outputs, 1 / outputs))
    count = critic.count if isinstance(critic, ManyHeadedCritic) else 1
    return Read(critic.net, obs, jnp.repeat(jax.nn.one_hot(action, outputs // count), count) / count)
