"""Terms that several algorithms use. Each is a pure function of arrays with the batch in front."""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from mooring.networks.critics import Ensemble, q_values
from mooring.types import Batch, Metrics


def bellman_loss(critics: Ensemble, batch: Batch, target: Float[Array, " B"]) -> tuple[Float[Array, ""], Metrics]:
    """Every critic regresses on one target: the mean square over the batch, summed over the ensemble.

    The metric `td_error` is the ensemble's mean |Q - target| of each row.
    """
    error = q_values(critics, batch.obs, batch.action) - target[None]
    loss = jnp.sum(jnp.mean(error**2, axis=1))
    q = jnp.mean(error) + jnp.mean(target)
    return loss, {"critic_loss": loss, "q": q, "td_error": jnp.mean(jnp.abs(error), axis=0)}


def smoothed(action: Float[Array, "B A"], noise: Any, clip: Any, key: Key[Array, ""]) -> Float[Array, "B A"]:
    """TD3's smoothing of the target policy (arXiv 1802.09477, eq. 14): clipped Gaussian noise, within [-1, 1]."""
    drawn = jnp.clip(noise * jax.random.normal(key, action.shape), -clip, clip)
    return jnp.clip(action + drawn, -1, 1)


def expectile_loss(difference: Float[Array, "*B"], expectile: Any) -> Float[Array, "*B"]:
    """|tau - 1(u < 0)| u^2 (IQL, arXiv 2110.06169, eq. 4): a square that weighs positive u by tau."""
    return jnp.abs(expectile - (difference < 0)) * difference**2


def huber(error: Float[Array, "*B"], knee: float = 1.0) -> Float[Array, "*B"]:
    """Quadratic up to the knee, linear beyond it."""
    size = jnp.abs(error)
    return jnp.where(size <= knee, 0.5 * error**2, knee * (size - 0.5 * knee))
