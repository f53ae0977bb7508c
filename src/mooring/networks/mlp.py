"""Dense layers and the multilayer perceptron that most networks are made of.

Networks map one example; `jax.vmap` makes the batch. Every leaf is a float array, so plain `jit`, `grad`, `vmap`
and `tree.map` apply to a network, an ensemble or a whole run.
"""

from collections.abc import Callable
from itertools import pairwise
from typing import TypedDict

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from mooring.types import PRNGKey, Scalar

Initializer = Callable[[PRNGKey, tuple[int, int]], tuple[Array, Array]]


def uniform_within(bound: float) -> Initializer:
    """Weights and biases uniform within `bound`: for last layers that should begin near zero."""

    def draw(key: PRNGKey, shape: tuple[int, int]) -> tuple[Array, Array]:
        weight_key, bias_key = jax.random.split(key)
        weight = jax.random.uniform(weight_key, shape, minval=-bound, maxval=bound)
        return weight, jax.random.uniform(bias_key, shape[1:], minval=-bound, maxval=bound)

    return draw


def uniform(key: PRNGKey, shape: tuple[int, int]) -> tuple[Array, Array]:
    """Weights and biases uniform within 1/sqrt(inputs): PyTorch's default, and so that of most published code."""
    return uniform_within(shape[0] ** -0.5)(key, shape)


def biased(bias: float) -> Initializer:
    """Weights uniform within 1/sqrt(inputs), every bias the same."""
    return lambda key, shape: (uniform(key, shape)[0], jnp.full(shape[1:], bias, jnp.float32))


def orthogonal(scale: float = 2**0.5) -> Initializer:
    """Weights with orthogonal rows or columns, uniform among those, times `scale`; biases are zero. IQL's choice."""
    return lambda key, shape: (scale * polar_factor(jax.random.normal(key, shape)), jnp.zeros(shape[1:]))


def polar_factor(matrix: Float[Array, "I O"]) -> Float[Array, "I O"]:
    """The nearest matrix whose shorter side is orthonormal, by Newton and Schulz: X <- X (3 - X^T X) / 2.

    Of a Gaussian matrix it is uniformly distributed. QR would give another such matrix, but a batch of LAPACK calls
    inside a compiled program was seen to take minutes on CPUs, where these products take milliseconds.
    """
    if matrix.shape[0] < matrix.shape[1]:
        return polar_factor(matrix.T).T
    size = 1.2 * (matrix.shape[0] ** 0.5 + matrix.shape[1] ** 0.5)  # above a Gaussian's largest singular value
    step = lambda _, x: 1.5 * x - 0.5 * x @ (x.T @ x)
    return jax.lax.fori_loop(0, 40, step, matrix / size)


class Linear(eqx.Module):
    """weight^T x + bias. The weight lies (inputs, outputs), which is the faster layout on CPUs."""

    weight: Float[Array, "I O"]
    bias: Float[Array, " O"]

    @classmethod
    def of(cls, key: PRNGKey, inputs: int, outputs: int, initial: Initializer = uniform) -> "Linear":
        return cls(*initial(key, (inputs, outputs)))

    def __call__(self, x: Float[Array, " I"]) -> Float[Array, " O"]:
        return x @ self.weight + self.bias


def on_rows(layer: Callable[[Float[Array, " I"]], Float[Array, " O"]], x: Float[Array, "*L I"]) -> Float[Array, "*L O"]:
    """A layer's output for every vector along the leading axes, which are made one."""
    return jax.vmap(layer)(x.reshape(-1, x.shape[-1])).reshape(*x.shape[:-1], -1)


class LayerNorm(eqx.Module):
    """Ba et al. 2016, with a learned scale and shift."""

    scale: Float[Array, " D"]
    shift: Float[Array, " D"]

    @classmethod
    def of(cls, size: int) -> "LayerNorm":
        return cls(jnp.ones(size), jnp.zeros(size))

    def __call__(self, x: Float[Array, " D"]) -> Float[Array, " D"]:
        centered = x - jnp.mean(x)
        return self.scale * centered * jax.lax.rsqrt(jnp.mean(centered**2) + 1e-5) + self.shift


class Form(TypedDict, total=False):
    """What a perceptron has beside its sizes; `last` is how the last layer begins, where that differs."""

    initial: Initializer
    last: Initializer | None
    layer_norm: bool
    activation: Callable[[Array], Array]


class MLP(eqx.Module):
    """Hidden layers of the given widths, then one linear layer. With `norms`, each hidden layer is normalized."""

    layers: tuple[Linear, ...]
    norms: tuple[LayerNorm, ...]
    activation: Callable[[Array], Array] = eqx.field(static=True)

    @classmethod
    def of(
        cls,
        key: PRNGKey,
        inputs: int,
        hidden: tuple[int, ...],
        outputs: int,
        *,
        initial: Initializer = uniform,
        last: Initializer | None = None,
        layer_norm: bool = False,
        activation: Callable[[Array], Array] = jax.nn.relu,
    ) -> "MLP":
        sizes = list(pairwise((inputs, *hidden, outputs)))
        keys = jax.random.split(key, len(sizes))
        draws = [initial] * len(hidden) + [last or initial]
        layers = tuple(Linear.of(k, *size, draw) for k, size, draw in zip(keys, sizes, draws, strict=True))
        return cls(layers, tuple(LayerNorm.of(width) for width in hidden if layer_norm), activation)

    def __call__(self, x: Float[Array, " I"], dropout: Scalar = 0.0, key: PRNGKey | None = None) -> Float[Array, " O"]:
        """With a key, each hidden unit is 0 with probability `dropout`, below 1, and else grows to keep its mean."""
        for index, layer in enumerate(self.layers[:-1]):
            x = layer(x)
            x = self.activation(self.norms[index](x) if self.norms else x)
            if key is not None:
                kept = jax.random.bernoulli(jax.random.fold_in(key, index), 1 - dropout, x.shape)
                x = jnp.where(kept, x / (1 - dropout), 0)
        return self.layers[-1](x)


def spectrally_normalized(net: MLP) -> MLP:
    """The perceptron with each weight divided by its largest singular value (Miyato et al. 2018, arXiv 1802.05957).

    So that no layer stretches any difference of its inputs. 16 steps of power iteration from a fixed vector find it;
    the singular vectors are not differentiated.
    """

    def divided(layer: Linear) -> Linear:
        weight = jax.lax.stop_gradient(layer.weight)
        right = jax.lax.fori_loop(0, 16, lambda _, v: _unit((weight @ v) @ weight), jnp.ones(weight.shape[1]))
        left = _unit(weight @ right)
        return Linear(layer.weight / (left @ layer.weight @ right + 1e-12), layer.bias)

    return MLP(tuple(divided(layer) for layer in net.layers), net.norms, net.activation)


def _unit(x: Float[Array, " D"]) -> Float[Array, " D"]:
    return x / (jnp.linalg.norm(x) + 1e-12)
