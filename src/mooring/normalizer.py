"""What lies between the world's units and the networks'. It is part of the agent and of the policy.

Observations become one feature vector (standardized, one-hot, or both side by side for a dict), continuous actions
lie in [-1, 1], rewards are scaled and shifted. Sources, replay buffers and environments hold the raw numbers.
"""

from dataclasses import replace

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree

from mooring.errors import BadInput
from mooring.types import NEXT_ACTION, Batch, Box, Discrete, Image, ObsSpace, Space, Spec

EPSILON = 1e-3  # added to each standard deviation: TD3+BC, section 5.1 of arXiv 2106.06860 (its published code)


class Normalizer(eqx.Module):
    """Made by each agent's `init`; `standardize` False leaves the scale of observations as it is."""

    spec: Spec
    standardize: bool = eqx.field(static=True)

    @property
    def features(self) -> int:
        """Length of the feature vector."""
        return sum(_width(space) for space in _spaces(self.spec.obs))

    @property
    def actions(self) -> int:
        """Length of a continuous action, or number of discrete ones."""
        action = self.spec.action
        return action.n if isinstance(action, Discrete) else action.low.shape[0]

    def obs(self, obs: PyTree) -> Float[Array, " O"]:
        """Features of one raw observation."""
        if isinstance(self.spec.obs, dict):
            parts = [self._features(space, obs[name]) for name, space in sorted(self.spec.obs.items())]
            return jnp.concatenate(parts)
        return self._features(self.spec.obs, obs)

    def batch(self, batch: Batch) -> Batch:
        """A raw batch in the networks' units; its extra columns stay raw, but `next_action` is an action."""
        rows = self.obs
        action = self.to_unit
        for _ in batch.reward.shape:
            rows, action = jax.vmap(rows), jax.vmap(action)
        extra = {k: action(v) if k == NEXT_ACTION else v for k, v in batch.extra.items()}
        return replace(
            batch,
            obs=rows(batch.obs),
            action=action(batch.action),
            reward=self.spec.reward_scale * batch.reward + self.spec.reward_shift,
            next_obs=rows(batch.next_obs),
            extra=extra,
        )

    def to_unit(self, action: Array) -> Array:
        """One raw action in [-1, 1]; a discrete one stays."""
        space = self.spec.action
        if isinstance(space, Discrete):
            return action
        return jnp.clip(2 * (action - space.low) / (space.high - space.low) - 1, -1, 1)

    def from_unit(self, action: Array) -> Array:
        """One action in the environment's units."""
        space = self.spec.action
        if isinstance(space, Discrete):
            return action
        raw = space.low + (space.high - space.low) * (action + 1) / 2
        return jnp.clip(raw, space.low, space.high)  # rounding could pass the bounds by a digit

    def log_volume(self) -> Float[Array, ""]:
        """log of the volume of raw actions that a unit of volume of `to_unit` stands for; 0 for discrete ones."""
        space = self.spec.action
        return jnp.zeros(()) if isinstance(space, Discrete) else jnp.sum(jnp.log((space.high - space.low) / 2))

    def _features(self, space: Space, obs: Array) -> Float[Array, " D"]:
        if isinstance(space, Discrete):
            return jax.nn.one_hot(obs, space.n)
        if isinstance(space, Box):
            return (obs - space.mean) / (space.std + EPSILON) if self.standardize else obs
        raise AssertionError("refused by features")


def _spaces(obs: ObsSpace) -> list[Space]:
    return [obs[name] for name in sorted(obs)] if isinstance(obs, dict) else [obs]


def _width(space: Space) -> int:
    if isinstance(space, Image):
        raise BadInput(f"observation of shape {space.shape}", "is an image", "vectors", "encode images first")
    return space.n if isinstance(space, Discrete) else space.low.shape[0]
