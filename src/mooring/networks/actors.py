"""Actors: from features of one observation to a distribution over one action in [-1, 1]^A or {0 .. n-1}.

All have `mode`, `sample` and (but for the deterministic one) `log_prob`; `of` makes one, its perceptron of that form.
"""

from typing import Any, Unpack

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key

from mooring.networks.mlp import MLP, Form

EDGE = 1 - 1e-6  # tanh's inverse is infinite at 1; in float32 this is about seven standard units before tanh


class DeterministicActor(eqx.Module):
    """a = tanh(f(s))."""

    net: MLP

    @classmethod
    def of(
        cls, key: Key[Array, ""], obs: int, action: int, hidden: tuple[int, ...], **form: Unpack[Form]
    ) -> "DeterministicActor":
        return cls(MLP.of(key, obs, hidden, action, **form))

    def __call__(self, obs: Float[Array, " O"]) -> Float[Array, " A"]:
        return jnp.tanh(self.net(obs))

    mode = __call__

    def sample(self, obs: Float[Array, " O"], key: Key[Array, ""]) -> Float[Array, " A"]:
        return self(obs)

    def with_dropout(
        self, obs: Float[Array, " O"], dropout: Float[Array, ""] | float, key: Key[Array, ""]
    ) -> Float[Array, " A"]:
        """The action with hidden units dropped, as while training."""
        return jnp.tanh(self.net(obs, dropout, key))


class GaussianActor(eqx.Module):
    """N(tanh(f(s)), sigma^2) with a standard deviation that does not depend on the state; samples are clipped.

    The form of IQL's published code: the mean is squashed, the density is not.
    """

    net: MLP
    log_std: Float[Array, " A"]
    log_std_range: tuple[float, float] = eqx.field(static=True, default=(-5.0, 2.0))

    @classmethod
    def of(
        cls, key: Key[Array, ""], obs: int, action: int, hidden: tuple[int, ...], **form: Unpack[Form]
    ) -> "GaussianActor":
        return cls(MLP.of(key, obs, hidden, action, **form), jnp.zeros(action))

    def std(self) -> Float[Array, " A"]:
        return jnp.exp(jnp.clip(self.log_std, *self.log_std_range))

    def mode(self, obs: Float[Array, " O"]) -> Float[Array, " A"]:
        return jnp.tanh(self.net(obs))

    def sample(self, obs: Float[Array, " O"], key: Key[Array, ""]) -> Float[Array, " A"]:
        mean = self.mode(obs)
        return jnp.clip(mean + self.std() * jax.random.normal(key, mean.shape), -1, 1)

    def log_prob(self, obs: Float[Array, " O"], action: Float[Array, " A"]) -> Float[Array, ""]:
        return jnp.sum(normal_log_density(action, self.mode(obs), self.std()))


class SquashedGaussianActor(eqx.Module):
    """a = tanh(u), u ~ N(mean(s), std(s)^2): the actor of SAC (Haarnoja et al. 2018, appendix C)."""

    net: MLP
    log_std_range: tuple[float, float] = eqx.field(static=True, default=(-20.0, 2.0))

    @classmethod
    def of(
        cls,
        key: Key[Array, ""],
        obs: int,
        action: int,
        hidden: tuple[int, ...],
        log_std_range: tuple[float, float] = (-20.0, 2.0),
        **form: Unpack[Form],
    ) -> "SquashedGaussianActor":
        return cls(MLP.of(key, obs, hidden, 2 * action, **form), log_std_range)

    def moments(self, obs: Float[Array, " O"]) -> tuple[Float[Array, " A"], Float[Array, " A"]]:
        """Mean and standard deviation before the tanh."""
        mean, log_std = jnp.split(self.net(obs), 2)
        return mean, jnp.exp(jnp.clip(log_std, *self.log_std_range))

    def mode(self, obs: Float[Array, " O"]) -> Float[Array, " A"]:
        return jnp.tanh(self.moments(obs)[0])

    def sample(self, obs: Float[Array, " O"], key: Key[Array, ""]) -> Float[Array, " A"]:
        return self.sample_with_log_prob(obs, key)[0]

    def sample_with_log_prob(
        self, obs: Float[Array, " O"], key: Key[Array, ""]
    ) -> tuple[Float[Array, " A"], Float[Array, ""]]:
        """A reparameterized action and its log density."""
        mean, std = self.moments(obs)
        before = mean + std * jax.random.normal(key, mean.shape)
        return jnp.tanh(before), self._squashed_log_density(before, mean, std)

    def log_prob(self, obs: Float[Array, " O"], action: Float[Array, " A"]) -> Float[Array, ""]:
        before = jnp.arctanh(jnp.clip(action, -EDGE, EDGE))
        return self._squashed_log_density(before, *self.moments(obs))

    @staticmethod
    def _squashed_log_density(before: Array, mean: Array, std: Array) -> Array:
        # log(1 - tanh(u)^2) = 2 (log 2 - u - softplus(-2u)), which does not lose digits for large |u|
        slope = 2 * (jnp.log(2.0) - before - jax.nn.softplus(-2 * before))
        return jnp.sum(normal_log_density(before, mean, std) - slope)


class CategoricalActor(eqx.Module):
    """softmax(f(s)) over n actions."""

    net: MLP

    @classmethod
    def of(
        cls, key: Key[Array, ""], obs: int, actions: int, hidden: tuple[int, ...], **form: Unpack[Form]
    ) -> "CategoricalActor":
        return cls(MLP.of(key, obs, hidden, actions, **form))

    def logits(self, obs: Float[Array, " O"]) -> Float[Array, " A"]:
        """Normalized: log probabilities."""
        return jax.nn.log_softmax(self.net(obs))

    def mode(self, obs: Float[Array, " O"]) -> Int[Array, ""]:
        return jnp.argmax(self.net(obs))

    def sample(self, obs: Float[Array, " O"], key: Key[Array, ""]) -> Int[Array, ""]:
        return jax.random.categorical(key, self.net(obs))

    def log_prob(self, obs: Float[Array, " O"], action: Int[Array, ""]) -> Float[Array, ""]:
        return self.logits(obs)[action]


def normal_log_density(x: Any, mean: Any, std: Any) -> Any:
    """Of N(mean, std^2), entry by entry."""
    return -0.5 * ((x - mean) / std) ** 2 - jnp.log(std) - 0.5 * jnp.log(2 * jnp.pi)
