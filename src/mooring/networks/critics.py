"""Value functions: V(s), Q(s, a) for continuous actions, Q(s, .) for discrete ones, and ensembles of them."""

from typing import Any, Unpack

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Shaped

from mooring.errors import BadInput
from mooring.networks.mlp import MLP, Form
from mooring.types import PRNGKey


class Value(eqx.Module):
    """V(s): one number."""

    net: MLP

    @classmethod
    def of(cls, key: PRNGKey, obs: int, hidden: tuple[int, ...], **form: Unpack[Form]) -> "Value":
        return cls(MLP.of(key, obs, hidden, 1, **form))

    def __call__(self, obs: Float[Array, " O"]) -> Float[Array, ""]:
        return self.net(obs)[0]


class Critic(eqx.Module):
    """Q(s, a) of a continuous action: one number."""

    net: MLP

    @classmethod
    def of(cls, key: PRNGKey, obs: int, action: int, hidden: tuple[int, ...], **form: Unpack[Form]) -> "Critic":
        return cls(MLP.of(key, obs + action, hidden, 1, **form))

    def __call__(self, obs: Float[Array, " O"], action: Float[Array, " A"]) -> Float[Array, ""]:
        return self.net(jnp.concatenate([obs, action]))[0]


class DiscreteCritic(eqx.Module):
    """Q(s, a) of discrete actions: one output per action."""

    net: MLP

    @classmethod
    def of(
        cls, key: PRNGKey, obs: int, actions: int, hidden: tuple[int, ...], **form: Unpack[Form]
    ) -> "DiscreteCritic":
        return cls(MLP.of(key, obs, hidden, actions, **form))

    def __call__(self, obs: Float[Array, " O"], action: Int[Array, ""]) -> Float[Array, ""]:
        return self.net(obs)[action]

    def all(self, obs: Float[Array, " O"]) -> Float[Array, " A"]:
        """Q of every action."""
        return self.net(obs)


class QuantileCritic(eqx.Module):
    """K numbers for each pair of observation and continuous action: quantiles of its return."""

    net: MLP

    @classmethod
    def of(
        cls,
        key: PRNGKey,
        obs: int,
        action: int,
        quantiles: int,
        hidden: tuple[int, ...],
        **form: Unpack[Form],
    ) -> "QuantileCritic":
        return cls(MLP.of(key, obs + action, hidden, quantiles, **form))

    def __call__(self, obs: Float[Array, " O"], action: Float[Array, " A"]) -> Float[Array, " K"]:
        return self.net(jnp.concatenate([obs, action]))


class ManyHeadedCritic(eqx.Module):
    """K numbers for each discrete action, which share all but the last layer; Q(s, a) is their mean.

    They are quantiles of the return, or heads that each estimate Q.
    """

    net: MLP
    count: int = eqx.field(static=True)

    @classmethod
    def of(
        cls, key: PRNGKey, obs: int, actions: int, heads: int, hidden: tuple[int, ...], **form: Unpack[Form]
    ) -> "ManyHeadedCritic":
        return cls(MLP.of(key, obs, hidden, actions * heads, **form), heads)

    def heads(self, obs: Float[Array, " O"]) -> Float[Array, "A K"]:
        return self.net(obs).reshape(-1, self.count)

    def all(self, obs: Float[Array, " O"]) -> Float[Array, " A"]:
        """Q of every action."""
        return jnp.mean(self.heads(obs), axis=1)


class Ensemble(eqx.Module):
    """N networks of one form, their leaves stacked. It answers for one example with N answers in front."""

    members: Any

    @classmethod
    def of(cls, key: PRNGKey, size: int, make: Any) -> "Ensemble":
        """`make(key)` gives one member."""
        return cls(jax.vmap(make)(jax.random.split(key, size)))

    def __call__(self, *inputs: Array) -> Float[Array, "N ..."]:
        return jax.vmap(lambda member: member(*inputs))(self.members)

    def all(self, obs: Float[Array, " O"]) -> Float[Array, "N A"]:
        """Every member's Q of every discrete action."""
        return jax.vmap(lambda member: member.all(obs))(self.members)


def q_values(critics: Ensemble, obs: Float[Array, "B O"], action: Shaped[Array, "B ..."]) -> Float[Array, "N B"]:
    """Every member's Q of every row."""
    return jax.vmap(lambda member: jax.vmap(member)(obs, action))(critics.members)  # members outside: fewer transposes


def first_q(critics: Ensemble, obs: Float[Array, "B O"], action: Shaped[Array, "B ..."]) -> Float[Array, " B"]:
    """The first member's Q of every row, which is all that TD3's actor looks at; the others are not asked."""
    return jax.vmap(jax.tree.map(lambda leaf: leaf[0], critics.members))(obs, action)


def smallest_q(critics: Ensemble, obs: Float[Array, "B O"], action: Shaped[Array, "B ..."]) -> Float[Array, " B"]:
    """The least of the members' Q of every row: clipped double Q with two (TD3, arXiv 1802.09477, eq. 10)."""
    return jnp.min(q_values(critics, obs, action), axis=0)


def random_members(critics: Ensemble, count: int, key: PRNGKey) -> Ensemble:
    """`count` different members, each set of them as likely. Raises BadInput where there are not so many."""
    size = len(jax.tree.leaves(critics)[0])
    if count > size:
        raise BadInput("subset", f"found {count}", f"at most {size}, the number of critics")
    chosen = jax.random.choice(key, size, (count,), replace=False)
    return jax.tree.map(lambda leaf: leaf[chosen], critics)
