"""Per-sample gradients of a perceptron's output, kept as outer products and never written out.

For one example the gradient of a dense layer's weight is the outer product of what goes into the layer and what comes
back to it, and so inner products of two examples' gradients are products of two small ones: (a . a') (d . d'). The
sum of these over layers is the neural tangent kernel (Jacot, Gabriel and Hongler 2018, arXiv 1806.07572).
"""

from __future__ import annotations

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from mooring.networks.mlp import MLP, LayerNorm


class Block(NamedTuple):
    """The gradient by some parameters: of each example, the outer product of `into` and `back`."""

    into: Float[Array, "*B _"]
    back: Float[Array, "*B _"]


class Gradient(eqx.Module):
    """By all parameters of a perceptron, as blocks; and the hidden units, layer by layer."""

    blocks: tuple[Block, ...]
    hidden: tuple[Float[Array, "*B _"], ...]


def output_gradient(net: MLP, x: Float[Array, " I"], weights: Float[Array, " O"]) -> Gradient:
    """Of the weighted sum of the network's outputs at one example."""

    def forward(bumps: tuple[Array, ...]) -> tuple[Float[Array, ""], list[Array]]:
        """The output if the bumps were added to what layers give: its slopes there are what comes back to them."""
        inputs, signal, bump = [], x, iter(bumps)
        for index, layer in enumerate(net.layers[:-1]):
            inputs.append(signal)
            signal = layer(signal) + next(bump)
            if net.norms:
                inputs.append(LayerNorm.of(len(signal))(signal))  # without a scale and a shift of its own
                signal = net.norms[index](signal) + next(bump)
            signal = net.activation(signal)
        inputs.append(signal)
        return weights @ (net.layers[-1](signal) + next(bump)), inputs

    widths = [len(layer.bias) for layer in net.layers]
    repeats = [1 + bool(net.norms)] * (len(widths) - 1) + [1]
    bumps = tuple(jnp.zeros(width) for width, times in zip(widths, repeats, strict=True) for _ in range(times))
    slopes, inputs = jax.grad(forward, has_aux=True)(bumps)
    return Gradient(_blocks(net, inputs, slopes), tuple(inputs[0 :: repeats[0]][1:]))


def _blocks(net: MLP, inputs: list[Array], slopes: tuple[Array, ...]) -> tuple[Block, ...]:
    kinds = [_dense, _norm] * (len(net.layers) - 1) + [_dense] if net.norms else [_dense] * len(net.layers)
    return tuple(kind(into, back) for kind, into, back in zip(kinds, inputs, slopes, strict=True))


def _dense(into: Float[Array, " I"], back: Float[Array, " O"]) -> Block:
    """The bias is the weight of a constant 1."""
    return Block(jnp.append(into, 1.0), back)


def _norm(unit: Float[Array, " D"], back: Float[Array, " D"]) -> Block:
    """The scale multiplies each normalized unit alone, and the shift adds to it."""
    return Block(jnp.ones(1), jnp.concatenate([unit * back, back]))


def kernel(some: Gradient, others: Gradient) -> Float[Array, "M K"]:
    """The inner product of the gradients of each of M examples with each of K others."""
    pairs = zip(some.blocks, others.blocks, strict=True)
    return sum(((a.into @ b.into.T) * (a.back @ b.back.T) for a, b in pairs), start=jnp.zeros(()))


def squared_norms(gradient: Gradient) -> Float[Array, " M"]:
    """|g|^2 of each example."""
    each = [jnp.sum(into**2, axis=-1) * jnp.sum(back**2, axis=-1) for into, back in gradient.blocks]
    return jnp.sum(jnp.stack(each), axis=0)
