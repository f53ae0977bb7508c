"""A transformer over episodes: returns, observations and actions are its tokens, and it predicts the actions.

Chen et al. 2021, "Decision Transformer: Reinforcement Learning via Sequence Modeling", arXiv 2106.01345.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Shaped

from mooring.networks.mlp import LayerNorm, Linear, on_rows
from mooring.networks.transformer import Decoder, Rate
from mooring.types import PRNGKey


class Window(eqx.Module):
    """T steps of one episode as the model sees them; those with mask 0 are padding, and come first."""

    obs: Float[Array, "T O"]
    action: Float[Array, "T A"]  # in [-1, 1], or one-hot
    return_to_go: Float[Array, " T"]
    timestep: Int[Array, " T"]
    mask: Float[Array, " T"]

    @classmethod
    def empty(cls, length: int, obs: int, actions: int) -> "Window":
        """Nothing but padding."""
        zeros = jnp.zeros((length, obs)), jnp.zeros((length, actions)), jnp.zeros(length)
        return cls(*zeros, jnp.zeros(length, jnp.int32), jnp.zeros(length))

    def then(self, *step: Array) -> "Window":
        """One step on: the oldest step leaves, and a new one enters at the end, given as one value per column."""
        columns = zip(jax.tree.leaves(self), step, strict=True)
        return Window(*(jnp.concatenate([column[1:], value[None]]) for column, value in columns))


class TrajectoryModel(eqx.Module):
    """Tokens R_1, s_1, a_1, R_2, s_2, a_2, ..., each with its timestep's embedding added (figure 1, algorithm 1)."""

    of_return: Linear
    of_obs: Linear
    of_action: Linear
    of_timestep: Float[Array, "H D"]
    norm: LayerNorm
    decoder: Decoder
    head: Linear
    discrete: bool = eqx.field(static=True)

    @classmethod
    def of(
        cls,
        key: PRNGKey,
        obs: int,
        actions: int,
        horizon: int,
        *,
        discrete: bool,
        layers: int,
        heads: int,
        width: int,
    ) -> "TrajectoryModel":
        """Embeddings and head are drawn as PyTorch does, like the published code's. `heads` must divide `width`."""
        return_key, obs_key, action_key, time_key, decoder_key, head_key = jax.random.split(key, 6)
        return cls(
            of_return=Linear.of(return_key, 1, width),
            of_obs=Linear.of(obs_key, obs, width),
            of_action=Linear.of(action_key, actions, width),
            of_timestep=jax.random.normal(time_key, (horizon, width)),
            norm=LayerNorm.of(width),
            decoder=Decoder.of(decoder_key, layers, width, heads),
            head=Linear.of(head_key, width, actions),
            discrete=discrete,
        )

    def encode(self, action: Shaped[Array, "..."]) -> Float[Array, "... A"]:
        """Actions as they stand in a window: discrete ones one-hot."""
        return jax.nn.one_hot(action, self.head.bias.shape[0]) if self.discrete else action

    def __call__(self, windows: Window, rate: Rate = 0.0, key: PRNGKey | None = None) -> Float[Array, "B T A"]:
        """At each step of a batch of windows the action in [-1, 1], or logits of the actions, given its return, its obs
        and all before.

        With a key, dropout of the given rate.
        """
        last = self.of_timestep.shape[0] - 1  # an episode that outlasts every logged one stays at the last embedding
        time = self.of_timestep[jnp.minimum(windows.timestep, last)]
        returns = on_rows(self.of_return, windows.return_to_go[..., None])
        parts = returns, on_rows(self.of_obs, windows.obs), on_rows(self.of_action, windows.action)
        batch, steps, width = time.shape
        tokens = jnp.stack([part + time for part in parts], axis=2).reshape(batch, 3 * steps, width)
        outputs = self.decoder(on_rows(self.norm, tokens), jnp.repeat(windows.mask > 0, 3, axis=1), rate, key)
        prediction = on_rows(self.head, outputs[:, 1::3])  # from the tokens of observations
        return prediction if self.discrete else jnp.tanh(prediction)
