"""Sources that wrap a source and change what is seen in its batches at random, anew at each update.

States: Sinha, Mandlekar and Garg 2021, "S4RL: Surprisingly Simple Self-Supervision for Offline Reinforcement Learning
in Robotics", arXiv 2103.06326; random amplitude scaling: Laskin et al. 2020, "Reinforcement Learning with Augmented
Data", arXiv 2004.14990. Images: Kostrikov, Yarats and Fergus 2020, "Image Augmentation Is All You Need: Regularizing
Deep Reinforcement Learning from Pixels" (DrQ), arXiv 2004.13649.

Departures: S4RL and DrQ average values over several views of a state inside their losses; a source gives one view of
each state, so that any algorithm can use it as it is (DrQ with K = M = 1). S4RL's state switch is not here: it needs to
be told which entries mean alike. What is changed is in the environment's own units, as in S4RL.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree, Shaped

from mooring.sources.wrapping import Wrapping
from mooring.types import Batch, Metrics, PRNGKey, Scalar, Source, static

if TYPE_CHECKING:
    from mooring.types import Algorithm

Size = Float[Array, "..."] | float
"""One number for all entries of an observation, or an array (O,) of one for each."""


class Augmentation(eqx.Module):
    """A random change of one row (or window of rows): of all its vectors, or of all its images; the rest stays."""

    @abstractmethod
    def __call__(self, row: Batch, key: PRNGKey) -> Batch:
        """The changed row, of the same form."""


class Augmented(Wrapping):
    """Another source's batches, each row changed by a draw of its own."""

    source: Source
    change: Augmentation

    def sample(self, state: PyTree, key: PRNGKey, size: int) -> Batch:
        sample_key, change_key = jax.random.split(key)
        rows = self.source.sample(state, sample_key, size)
        return jax.vmap(self.change)(rows, jax.random.split(change_key, size))


class GaussianNoise(Augmentation):
    """s + e, e ~ N(0, std^2) for each entry, drawn for obs and next_obs apart (S4RL)."""

    std: Size = 3e-4

    def __call__(self, row: Batch, key: PRNGKey) -> Batch:
        return _each(row, key, _is_vector, lambda s, k: s + _like(s, self.std) * jax.random.normal(k, s.shape))


class UniformNoise(Augmentation):
    """s + e, e ~ U(-size, size) for each entry, drawn for obs and next_obs apart (S4RL)."""

    size: Size = 3e-4

    def __call__(self, row: Batch, key: PRNGKey) -> Batch:
        def noisy(s: Array, key: PRNGKey) -> Array:
            return s + _like(s, self.size) * jax.random.uniform(key, s.shape, minval=-1, maxval=1)

        return _each(row, key, _is_vector, noisy)


class AmplitudeScaling(Augmentation):
    """z s, z ~ U(low, high): one number for obs and next_obs, so that they still belong together (RAD)."""

    low: Scalar = 0.6
    high: Scalar = 1.2

    def __call__(self, row: Batch, key: PRNGKey) -> Batch:
        scale = jax.random.uniform(key, minval=self.low, maxval=self.high)
        return _alike(row, lambda s: scale * s)


class DimensionDropout(Augmentation):
    """One entry of each vector, drawn uniformly, becomes 0, in obs and next_obs alike (S4RL)."""

    def __call__(self, row: Batch, key: PRNGKey) -> Batch:
        def dropped(s: Float[Array, "..."]) -> Float[Array, "..."]:
            entry = jax.random.randint(key, (), 0, s.shape[-1])
            return s.at[..., entry].set(0)

        return _alike(row, dropped)


class MixUp(Augmentation):
    """lambda s_t + (1 - lambda) s_{t+1}, lambda ~ Beta(alpha, alpha), for obs; next_obs stays (S4RL).

    A row that terminates stays as it is, since nothing may depend on what follows it.
    """

    alpha: Scalar = 0.4

    def __call__(self, row: Batch, key: PRNGKey) -> Batch:
        share = jax.random.beta(key, self.alpha, self.alpha)
        goes_on = row.continues[..., None] > 0

        def mixed(s: Array, after: Array) -> Array:
            return jnp.where(goes_on, share * s + (1 - share) * after, s) if _is_vector(s) else s

        return replace(row, obs=jax.tree.map(mixed, row.obs, row.next_obs))


class RandomShift(Augmentation):
    """Images moved by up to `pad` pixels each way, their edges repeated; obs and next_obs apart (DrQ, section 3.1)."""

    pad: int = static(4)

    def __call__(self, row: Batch, key: PRNGKey) -> Batch:
        return _each(row, key, _is_image, self.shifted)

    def shifted(self, image: Shaped[Array, "*T H W C"], key: PRNGKey) -> Shaped[Array, "*T H W C"]:
        """Padded by `pad` on each side and cropped back to its size, anywhere."""
        leading = image.ndim - 3
        padded = jnp.pad(image, [(0, 0)] * leading + [(self.pad, self.pad)] * 2 + [(0, 0)], mode="edge")
        y, x = jax.random.randint(key, (2,), 0, 2 * self.pad + 1)
        return jax.lax.dynamic_slice(padded, (*[0] * leading, y, x, 0), image.shape)


class Adversarial(Wrapping):
    """s + size * gradient with respect to s of objective(agent, row), for obs; next_obs stays (S4RL).

    S4RL takes the loss of its critic for the objective; what an agent holds only its algorithm knows, so the function
    is given. The agent is that of the last refresh, so up to a chunk of updates old; until the first one it is `agent`,
    of which only the form matters (as of `algorithm.init`). The state holds a copy of it.
    """

    source: Source
    agent: Any
    objective: Callable[[Any, Batch], Float[Array, ""]] = static()
    size: Size = 1e-4

    def init(self, key: PRNGKey) -> tuple[PyTree, Any]:
        return self.source.init(key), self.agent

    def refresh(
        self, state: tuple[PyTree, Any], algorithm: Algorithm, agent: PyTree, key: PRNGKey
    ) -> tuple[PyTree, Any]:
        return self.source.refresh(state[0], algorithm, agent, key), agent

    def sample(self, state: tuple[PyTree, Any], key: PRNGKey, size: int) -> Batch:
        own, agent = state
        return jax.vmap(lambda row: self.moved(agent, row))(self.source.sample(own, key, size))

    def moved(self, agent: Any, row: Batch) -> Batch:
        """The row with its vectors moved along the gradient."""
        leaves, form = jax.tree.flatten(row.obs)
        vectors = [leaf for leaf in leaves if _is_vector(leaf)]

        def with_vectors(vectors: list[Array]) -> Batch:
            each = iter(vectors)
            return replace(
                row, obs=jax.tree.unflatten(form, [next(each) if _is_vector(leaf) else leaf for leaf in leaves])
            )

        gradient = jax.grad(lambda vectors: self.objective(agent, with_vectors(vectors)))(vectors)
        return with_vectors([s + _like(s, self.size) * slope for s, slope in zip(vectors, gradient, strict=True)])

    def feedback(self, state: tuple[PyTree, Any], batch: Batch, metrics: Metrics) -> tuple[PyTree, Any]:
        return self.source.feedback(state[0], batch, metrics), state[1]


def _is_vector(leaf: Array) -> bool:
    return bool(jnp.issubdtype(leaf.dtype, jnp.floating))


def _is_image(leaf: Array) -> bool:
    return bool(leaf.dtype == jnp.uint8)


def _like(s: Array, size: Size) -> Array:
    """The size of each entry of a vector, or of a window of vectors."""
    return jnp.broadcast_to(jnp.asarray(size), s.shape)


def _each(row: Batch, key: PRNGKey, which: Callable[[Array], bool], change: Callable[[Array, PRNGKey], Array]) -> Batch:
    """The row with every such leaf of obs and of next_obs changed by a key of its own."""
    leaves, form = jax.tree.flatten((row.obs, row.next_obs))
    keys = jax.random.split(key, len(leaves))
    changed = [change(leaf, k) if which(leaf) else leaf for leaf, k in zip(leaves, keys, strict=True)]
    obs, next_obs = jax.tree.unflatten(form, changed)
    return replace(row, obs=obs, next_obs=next_obs)


def _alike(row: Batch, change: Callable[[Array], Array]) -> Batch:
    """The row with every vector of obs and of next_obs changed in the same way."""
    one = lambda leaf: change(leaf) if _is_vector(leaf) else leaf
    return replace(row, obs=jax.tree.map(one, row.obs), next_obs=jax.tree.map(one, row.next_obs))
