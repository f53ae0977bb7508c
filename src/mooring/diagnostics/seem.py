"""SEEM: does learning a batch's values raise the targets that they follow by more than it raises the values?

Yue, Lu, Kang, Song and Huang 2023, "Understanding, Predicting and Better Resolving Q-Value Divergence in Offline RL",
arXiv 2310.04411, section 3. Near a fixed policy the errors u of Bellman's equation follow u <- (I + eta A) u, where
A = gamma G(X*, X) - G(X, X), G is the inner product of the critic's gradients, X are rows (s, a) of the data and X* are
(s', the policy's action there). An eigenvalue of A with a positive real part makes errors grow.

All gradients are divided by one number, the root mean square length of those at the data: the measure then does not
change with the networks' scale. Divided each by its own length, those at the policy's actions could not be the longer
ones, which is what makes Q run away.
"""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from mooring.diagnostics.gradients import Gradient, kernel, squared_norms
from mooring.types import Scalar

LEAST = 1e-12  # mean square of the gradients' lengths: that of a network all of whose units are dead may be 0


def feedback(now: Gradient, after: Gradient, discount: Scalar, continues: Float[Array, " M"]) -> Float[Array, "M M"]:
    """A: entry (i, j) tells how the error of row i changes where row j is learned.

    `now` are the critic's gradients at M rows of data, `after` at what their targets look ahead to.
    """
    scale = jnp.maximum(jnp.mean(squared_norms(now)), LEAST)
    return (discount * continues[:, None] * kernel(after, now) - kernel(now, now)) / scale


def seem(matrix: Float[np.ndarray, "*batch M M"]) -> Float[np.ndarray, "*batch"]:
    """The largest real part of the eigenvalues of A, between -M and about M; infinite where A is not finite.

    On the host, since accelerators have no routine for the eigenvalues of a matrix that is not symmetric.
    """
    finite = np.isfinite(matrix).all(axis=(-2, -1))
    values = np.linalg.eigvals(np.where(finite[..., None, None], matrix, 0.0))
    return np.where(finite, values.real.max(axis=-1), np.inf)
