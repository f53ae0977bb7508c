"""Rows as matrices of numbers, and how much of one column a linear model of others explains."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from jaxtyping import Bool, Float, Float64, Int

from mooring.data.dataset import Dataset
from mooring.data.spaces import Discrete
from mooring.data.validation import Obs, label, parts

ROWS = 50_000  # ours: as many are drawn where all would only cost time; a share of 1 % is then known to 0.05 %
FITTED = 20_000  # ours: rows for a regression; held-out shares then stray by less than 1 %
WIDE = 64  # ours: wider observations are folded to so many random combinations, which keep distances within a fifth
RIDGE = 1e-3  # ours: penalty on standardized inputs; keeps collinear ones (frame stacks, one-hot actions) solvable
ONE_HOT = 64  # ours: integers of more values than this are not spread into columns

Rows = Int[np.ndarray, " _"]
Matrix = Float64[np.ndarray, "_ _"]


def vector_parts(obs: Obs) -> dict[str, np.ndarray]:
    """The parts of observations that are float vectors, by the label that findings use."""
    return {label("obs", part): array for part, array in parts(obs).items() if array.ndim == 2}


def states(obs: Obs, rows: Rows | slice = slice(None)) -> Float[np.ndarray, "n d"]:
    """The float vectors of observations side by side (images and integers are left out), in the given rows."""
    columns = [array[rows] for array in vector_parts(obs).values()]
    count = len(next(iter(parts(obs).values()))[rows])
    return np.concatenate(columns, axis=1) if columns else np.empty((count, 0), np.float32)


def actions(data: Dataset, rows: Rows | slice = slice(None)) -> Matrix:
    """Continuous actions as they are, discrete ones one-hot, or as numbers where there are very many."""
    taken = data.action[rows]
    if not isinstance(data.action_space, Discrete):
        return taken.astype(np.float64)
    if data.action_space.n > ONE_HOT:
        return taken[:, None].astype(np.float64)
    return np.eye(data.action_space.n)[taken]


def episode_of(data: Dataset, rows: Rows) -> Rows:
    """The index of each row's episode."""
    return np.searchsorted(data.ends, rows)


def some(rows: Rows, count: int = ROWS) -> Rows:
    """At most `count` of the rows, in order, the same ones at each call."""
    if len(rows) <= count:
        return rows
    return np.sort(np.random.default_rng(0).choice(rows, count, replace=False))


def differ(ours: np.ndarray, theirs: np.ndarray) -> Bool[np.ndarray, " _"]:
    """Whether two columns differ, by row."""
    unlike = ours != theirs
    return unlike.any(axis=tuple(range(1, unlike.ndim)))


def same(ours: Obs, rows: Rows, theirs: Obs, there: Rows) -> Bool[np.ndarray, " _"]:
    """Whether observations in some rows equal others in other rows, in all parts."""
    pairs = ((array[rows], parts(theirs)[part][there]) for part, array in parts(ours).items())
    return ~np.logical_or.reduce([differ(*pair) for pair in pairs])


def scales(matrix: Float[np.ndarray, "n d"]) -> Float64[np.ndarray, " d"]:
    """The standard deviation of each column; 1 for columns that do not vary."""
    spread = matrix.std(axis=0, dtype=np.float64)
    return np.where(spread > 1e-7 * np.abs(matrix).max(axis=0, initial=1e-30), spread, 1.0)


def folded(data: Dataset) -> Callable[[Obs, Rows], Matrix]:
    """A function from observations and rows to vectors in standard deviations of the data, of at most 64 entries."""
    drawn = states(data.obs, some(np.arange(len(data))))
    factors = 1 / scales(drawn)
    if drawn.shape[1] > WIDE:
        factors = factors[:, None] * np.random.default_rng(0).normal(size=(drawn.shape[1], WIDE)) / np.sqrt(WIDE)
    return lambda obs, rows: states(obs, rows) @ factors if factors.ndim > 1 else states(obs, rows) * factors


def explained(
    inputs: Float64[np.ndarray, "n d"], targets: Float64[np.ndarray, "n t"], groups: Int[np.ndarray, " n"]
) -> Float64[np.ndarray, " t"]:
    """By target: the share of its variance that a ridge regression explains on rows that it was not fitted to.

    Even and odd groups (episodes) take turns at being held out. At most 1; below 0 where the mean would do better, and
    0 for targets that do not vary.
    """
    inputs = (inputs - inputs.mean(axis=0)) / scales(inputs)
    targets = targets - targets.mean(axis=0)
    varying = targets.std(axis=0) > 1e-9
    even = groups % 2 == 0
    if not varying.any() or even.all() or not even.any():
        return np.zeros(targets.shape[1])
    residual = np.empty_like(targets)
    for held_out in (even, ~even):
        residual[held_out] = targets[held_out] - _fitted(inputs, targets, ~held_out, held_out)
    total = (targets**2).sum(axis=0)
    return np.where(varying, 1 - (residual**2).sum(axis=0) / np.where(varying, total, 1.0), 0.0)


def _fitted(
    inputs: Float64[np.ndarray, "n d"],
    targets: Float64[np.ndarray, "n t"],
    on: Bool[np.ndarray, " n"],
    at: Bool[np.ndarray, " n"],
) -> Matrix:
    """What the ridge regression on some rows says of others."""
    center, level = inputs[on].mean(axis=0), targets[on].mean(axis=0)
    fitted = inputs[on] - center
    gram = fitted.T @ fitted + RIDGE * len(fitted) * np.eye(inputs.shape[1])
    weights = np.linalg.solve(gram, fitted.T @ (targets[on] - level))
    return (inputs[at] - center) @ weights + level
