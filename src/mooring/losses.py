"""Terms that several algorithms use. Each is a pure function of arrays with the batch in front."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from mooring.networks.actors import CategoricalActor, GaussianActor, SquashedGaussianActor
from mooring.networks.critics import Ensemble, q_values, smallest_q
from mooring.types import Batch, Loss, PRNGKey, Scalar


def bellman_loss(critics: Ensemble, batch: Batch, target: Float[Array, " B"]) -> Loss:
    """Every critic regresses on one target: see `regression_loss`."""
    return regression_loss(q_values(critics, batch.obs, batch.action), target)


def regression_loss(q: Float[Array, "N B"], target: Float[Array, " B"]) -> Loss:
    """(Q - target)^2 of every critic: the mean over the batch, summed over the ensemble.

    The metric `td_error` is the ensemble's mean |Q - target| of each row.
    """
    error = q - target[None]
    loss = jnp.sum(jnp.mean(error**2, axis=1))
    return loss, {"critic_loss": loss, "q": jnp.mean(q), "td_error": jnp.mean(jnp.abs(error), axis=0)}


def smoothed(action: Float[Array, "B A"], noise: Any, clip: Any, key: PRNGKey) -> Float[Array, "B A"]:
    """TD3's smoothing of the target policy (arXiv 1802.09477, eq. 14): clipped Gaussian noise, within [-1, 1]."""
    drawn = jnp.clip(noise * jax.random.normal(key, action.shape), -clip, clip)
    return jnp.clip(action + drawn, -1, 1)


def smoothed_value(
    actor: Any, critics: Ensemble, obs: Float[Array, "B O"], noise: Scalar, clip: Scalar, key: PRNGKey
) -> Float[Array, " B"]:
    """min_j Q_j at the target actor's smoothed action (TD3, algorithm 1): the value of what follows."""
    return smallest_q(critics, obs, smoothed(jax.vmap(actor)(obs), noise, clip, key))


def expectile_loss(difference: Float[Array, "*B"], expectile: Any) -> Float[Array, "*B"]:
    """|tau - 1(u < 0)| u^2 (IQL, arXiv 2110.06169, eq. 4): a square that weighs positive u by tau."""
    return jnp.abs(expectile - (difference < 0)) * difference**2


def huber(error: Float[Array, "*B"], knee: float = 1.0) -> Float[Array, "*B"]:
    """Quadratic up to the knee, linear beyond it."""
    size = jnp.abs(error)
    return jnp.where(size <= knee, 0.5 * error**2, knee * (size - 0.5 * knee))


def weighted_cloning_loss(actor: GaussianActor | CategoricalActor, batch: Batch, weight: Float[Array, " B"]) -> Loss:
    """-E[w(s, a) log pi(a|s)] over the data: cloning, each row by its weight, which is not differentiated."""
    log_prob = jax.vmap(actor.log_prob)(batch.obs, batch.action)
    loss = -jnp.mean(weight * log_prob)
    return loss, {"actor_loss": loss, "log_prob": jnp.mean(log_prob), "weight": jnp.mean(weight)}


def sample_actions(
    actor: SquashedGaussianActor, obs: Float[Array, "B O"], key: PRNGKey
) -> tuple[Float[Array, "B A"], Float[Array, " B"]]:
    """One action of the actor for each row, and its log density."""
    return jax.vmap(actor.sample_with_log_prob)(obs, jax.random.split(key, obs.shape[0]))


def soft_value(
    actor: SquashedGaussianActor,
    critics: Ensemble,
    obs: Float[Array, "B O"],
    temperature: Float[Array, ""],
    key: PRNGKey,
) -> Float[Array, " B"]:
    """min_j Q_j(s, a) - alpha log pi(a|s), a drawn from the actor (SAC, arXiv 1812.05905, eq. 3), smallest of N."""
    action, log_prob = sample_actions(actor, obs, key)
    return smallest_q(critics, obs, action) - temperature * log_prob


def soft_actor_loss(
    actor: SquashedGaussianActor,
    critics: Ensemble,
    obs: Float[Array, "B O"],
    temperature: Float[Array, ""],
    key: PRNGKey,
    over: Callable[..., Array] = jnp.min,
) -> Loss:
    """SAC, eq. 7 with the smallest of N critics: E[alpha log pi(a|s) - min_j Q_j(s, a)], a drawn from the actor.

    Or their mean: `over` jnp.mean (REDQ, arXiv 2101.05982, algorithm 1).
    """
    action, log_prob = sample_actions(actor, obs, key)
    q = over(q_values(critics, obs, action), axis=0)
    loss = jnp.mean(temperature * log_prob - q)
    return loss, {"actor_loss": loss, "entropy": -jnp.mean(log_prob)}


def temperature_loss(log_temperature: Float[Array, ""], entropy: Float[Array, ""], target_entropy: Scalar) -> Loss:
    """SAC, eq. 18 with log alpha for alpha, as published code has it: it falls while entropy exceeds its target."""
    loss = log_temperature * (entropy - target_entropy)
    return loss, {"temperature_loss": loss, "temperature": jnp.exp(log_temperature)}


def many_actions(actor: Any, obs: Float[Array, "B O"], count: int, key: PRNGKey) -> Float[Array, "B M A"]:
    """`count` actions of any stochastic actor for each row, whose moments are computed once."""
    each = jax.vmap(actor.sample, in_axes=(None, 0))
    return jax.vmap(each)(obs, jax.random.split(key, (obs.shape[0], count)))


def q_of_many(critics: Ensemble, obs: Float[Array, "B O"], actions: Float[Array, "B M A"]) -> Float[Array, "N B M"]:
    """Every member's Q of each of a row's M actions."""

    rows, many, _ = actions.shape
    each = jnp.repeat(obs, many, axis=0), actions.reshape(rows * many, -1)
    return q_values(critics, *each).reshape(-1, rows, many)


def gumbel_loss(difference: Float[Array, " B"], clip: Scalar) -> Float[Array, ""]:
    """Gumbel regression (X-QL, arXiv 2301.02328, section 3): E[exp(z) - z - 1], where z = difference, at most `clip`.

    With z = (Q - V) / beta the best V is beta log E[exp(Q / beta)]. The loss is divided by exp of the largest z (or of
    -1), which is not differentiated: a batch's outliers then slow learning down and do not overflow.
    """
    z = jnp.minimum(difference, clip)
    largest = jax.lax.stop_gradient(jnp.maximum(jnp.max(z), -1.0))
    return jnp.mean(jnp.exp(z - largest) - (z + 1) * jnp.exp(-largest))


def soft_clipped(q: Float[Array, "N *B"], share: Scalar) -> Float[Array, "*B"]:
    """lambda min_j Q_j + (1 - lambda) max_j Q_j over the members (BCQ, arXiv 1812.02900, appendix)."""
    return share * jnp.min(q, axis=0) + (1 - share) * jnp.max(q, axis=0)


def quantile_huber_loss(
    quantiles: Float[Array, " K"], target: Float[Array, " M"], knee: float = 1.0
) -> Float[Array, " K"]:
    """Of each quantile, its mean loss over a sample of targets (QR-DQN, arXiv 1710.10044, eq. 10).

    A target that lies u above the quantile theta_i costs |tau_i - 1(u < 0)| Huber(u), tau_i = (2i - 1) / 2K (lemma 2).
    """
    level = ((jnp.arange(quantiles.shape[0]) + 0.5) / quantiles.shape[0])[:, None]
    above = target[None] - quantiles[:, None]
    # Huber(u) = c (u - c / 2) with c = u clipped, and its slope is c: so nothing but the last line is differentiated
    slope = jax.lax.stop_gradient(jnp.clip(above, -knee, knee))
    weight = jax.lax.stop_gradient(jnp.where(above < 0, 1 - level, level))
    return jnp.mean(weight * slope * (above - slope / 2), axis=1)
