"""A causal transformer in the form of GPT-2: normalization before each part, dropout, weights drawn from N(0, 0.02^2).

Radford et al. 2019, "Language Models are Unsupervised Multitask Learners"; attention: Vaswani et al. 2017,
arXiv 1706.03762. It maps embedded tokens; what tells their places apart is the caller's to add.

Unlike other networks these take a batch of sequences: their dense layers then see all tokens of all sequences as rows
along one axis. Over two axes, as `vmap` would have it, XLA copies both operands of each weight's gradient on CPUs.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from mooring.networks.mlp import MLP, Initializer, LayerNorm, Linear, on_rows
from mooring.types import PRNGKey, Scalar

Rate = Scalar


def normal(std: float) -> Initializer:
    """Weights from N(0, std^2), biases zero."""
    return lambda key, shape: (std * jax.random.normal(key, shape), jnp.zeros(shape[1:]))


GPT2 = normal(0.02)


def dropout(x: Float[Array, "*D"], rate: Rate, key: PRNGKey | None) -> Float[Array, "*D"]:
    """Each entry zero with probability `rate`, else divided by 1 - rate (Srivastava et al. 2014). No key: x itself."""
    if key is None:
        return x
    keep = jax.random.bernoulli(key, 1 - rate, x.shape)
    return jnp.where(keep, x / (1 - rate), 0)


def split(key: PRNGKey | None, parts: int) -> list[PRNGKey | None]:
    """That many keys, or none for none."""
    return [None] * parts if key is None else list(jax.random.split(key, parts))


class Attention(eqx.Module):
    """softmax(Q K^T / sqrt(d)) V for each head, over the tokens that each token may see (eq. 1 of 1706.03762)."""

    inputs: Linear  # to queries, keys and values, side by side
    output: Linear
    heads: int = eqx.field(static=True)

    @classmethod
    def of(cls, key: PRNGKey, width: int, heads: int) -> "Attention":
        input_key, output_key = jax.random.split(key)
        return cls(Linear.of(input_key, width, 3 * width, GPT2), Linear.of(output_key, width, width, GPT2), heads)

    def __call__(
        self, x: Float[Array, "B T D"], visible: Bool[Array, "B T T"], rate: Rate, key: PRNGKey | None
    ) -> Float[Array, "B T D"]:
        weight_key, output_key = split(key, 2)
        heads = *x.shape[:2], self.heads, x.shape[2] // self.heads
        queries, keys, values = (part.reshape(heads) for part in jnp.split(on_rows(self.inputs, x), 3, axis=2))
        score = jnp.einsum("bqhd,bkhd->bhqk", queries, keys) / heads[3] ** 0.5
        weight = jax.nn.softmax(jnp.where(visible[:, None], score, -jnp.inf))
        mixed = jnp.einsum("bhqk,bkhd->bqhd", dropout(weight, rate, weight_key), values).reshape(x.shape)
        return dropout(on_rows(self.output, mixed), rate, output_key)


class Block(eqx.Module):
    """Attention, then a perceptron four times as wide, each added to its input and fed by a normalized copy of it."""

    attention: Attention
    perceptron: MLP
    attention_norm: LayerNorm
    perceptron_norm: LayerNorm

    @classmethod
    def of(cls, key: PRNGKey, width: int, heads: int) -> "Block":
        attention_key, perceptron_key = jax.random.split(key)
        attention = Attention.of(attention_key, width, heads)
        perceptron = MLP.of(perceptron_key, width, (4 * width,), width, initial=GPT2)
        return cls(attention, perceptron, LayerNorm.of(width), LayerNorm.of(width))

    def __call__(
        self, x: Float[Array, "B T D"], visible: Bool[Array, "B T T"], rate: Rate, key: PRNGKey | None
    ) -> Float[Array, "B T D"]:
        attention_key, perceptron_key = split(key, 2)
        x = x + self.attention(on_rows(self.attention_norm, x), visible, rate, attention_key)
        return x + dropout(on_rows(self.perceptron, on_rows(self.perceptron_norm, x)), rate, perceptron_key)


class Decoder(eqx.Module):
    """Blocks of causal attention and a last normalization."""

    blocks: tuple[Block, ...]
    norm: LayerNorm

    @classmethod
    def of(cls, key: PRNGKey, layers: int, width: int, heads: int) -> "Decoder":
        """`heads` must divide `width`."""
        return cls(tuple(Block.of(k, width, heads) for k in jax.random.split(key, layers)), LayerNorm.of(width))

    def __call__(
        self, tokens: Float[Array, "B T D"], real: Bool[Array, "B T"], rate: Rate = 0.0, key: PRNGKey | None = None
    ) -> Float[Array, "B T D"]:
        """One output for each token, from it and the real ones before it. Dropout takes a key; without one, none."""
        key, *block_keys = split(key, 1 + len(self.blocks))
        visible = jax.vmap(causal)(real)
        x = dropout(tokens, rate, key)
        for block, block_key in zip(self.blocks, block_keys, strict=True):
            x = block(x, visible, rate, block_key)
        return on_rows(self.norm, x)


def causal(real: Bool[Array, " T"]) -> Bool[Array, "T T"]:
    """Which tokens (columns) each token (row) sees: real ones up to itself, and itself, lest padding see nothing."""
    size = real.shape[0]
    return jnp.tril(jnp.ones((size, size), bool)) & (real[None] | jnp.eye(size, dtype=bool))
