"""Stitching potential: the return that logged pieces would bring, if episodes were joined where they met.

Two rows meet where the next observation of one is nearly another's observation: their distance, in standard deviations
of the data, is below a tenth of the usual step's. By dynamic programming from the last step to the first, a row's value
is its reward plus the best of what follows: the next row's value, or that of a row that it meets. Two values are kept
apart, since time must not get lost where a time limit ends an episode:

- of paths that come to a termination: they may skip steps, so joins lead to rows of any later step;
- of paths that run to the time limit (the longest length): joins lead to rows of just the next step.

No path is longer than the longest episode, and none runs in circles. The mean of the better value over the first rows
of episodes stands against the logged returns. It is what a method that learns from pieces could hope for beyond one
that imitates whole episodes, if near states were the same states and every outcome certain: chance and tolerance make
it too high, what only a model would join makes it too low. No joins say that there is nothing to stitch at
this tolerance, as in spaces of many dimensions.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Float64, Int
from scipy.spatial import cKDTree

from mooring.data.audit.features import folded, states
from mooring.data.audit.report import Check, Finding
from mooring.data.dataset import Dataset

ROWS = 20_000  # ours: whole episodes are drawn up to so many rows
MEETING = 0.1  # ours: of the usual step
NEIGHBORS = 8  # ours: joins to consider from each row


class Stitched(NamedTuple):
    """Of the episodes looked at: mean and best logged return, mean of joined returns, and the number of joins."""

    logged: float
    best: float
    joined: float
    joins: int


def stitch(data: Dataset) -> Stitched | None:
    """The stitching potential; None without vectors as observations, with one episode, or with single steps."""
    data = _drawn(data)
    if not states(data.obs, np.arange(1)).shape[1] or data.num_episodes < 2 or data.lengths.max() == 1:
        return None
    vectors, rows = folded(data), np.arange(len(data))
    starts, ends = _joins(data, vectors(data.obs, rows), vectors(data.next_obs, rows))
    step, longest = data.column("timestep"), np.repeat(data.lengths == data.lengths.max(), data.lengths)
    prompt = step[ends] == step[starts] + 1
    ended = _values(data, starts, ends, data.continues == 0)
    timed = _values(data, starts[prompt], ends[prompt], data.last & longest & (data.continues > 0))
    first = np.maximum.reduce([ended[data.starts], timed[data.starts], data.returns])
    return Stitched(float(data.returns.mean()), float(data.returns.max()), float(first.mean()), len(starts))


def potential(data: Dataset) -> Iterator[Finding]:
    """What joining episodes where they meet would bring."""
    found = stitch(data)
    if found is None:
        return
    evidence = {**found._asdict()}
    if not found.joins:
        text = "episodes never meet closely enough to be joined: better than the logged ones needs generalizing"
    else:
        text = (
            f"episodes meet {found.joins:,} times; joined, they would return {found.joined:.5g} on average "
            f"(logged: mean {found.logged:.5g}, best {found.best:.5g})"
        )
    yield Finding("pass", "obs", text, evidence=evidence)


def _drawn(data: Dataset) -> Dataset:
    """Whole episodes up to the number of rows that are looked at."""
    if len(data) <= ROWS:
        return data
    order = np.random.default_rng(0).permutation(data.num_episodes)
    count = max(2, int(np.searchsorted(np.cumsum(data.lengths[order]), ROWS)))
    return data.select(np.sort(order[:count]))


def _joins(
    data: Dataset, obs: Float[np.ndarray, "N d"], next_obs: Float[np.ndarray, "N d"]
) -> tuple[Int[np.ndarray, " J"], Int[np.ndarray, " J"]]:
    """The rows that are left, and the rows of a later step in other episodes that are entered instead, by row left."""
    radius = MEETING * float(np.median(np.linalg.norm(next_obs - obs, axis=1)))
    episode, step = np.repeat(np.arange(data.num_episodes), data.lengths), data.column("timestep")
    left = np.flatnonzero(data.continues > 0)
    if radius == 0 or not len(left):
        return np.empty(0, int), np.empty(0, int)
    distance, near = cKDTree(obs).query(next_obs[left], k=NEIGHBORS, distance_upper_bound=radius)
    row, place = np.nonzero(np.isfinite(distance))
    starts, ends = left[row], np.asarray(near)[row, place]
    allowed = (episode[starts] != episode[ends]) & (step[ends] > step[starts])
    return starts[allowed], ends[allowed]


def _values(
    data: Dataset, starts: Int[np.ndarray, " J"], ends: Int[np.ndarray, " J"], final: Bool[np.ndarray, " N"]
) -> Float64[np.ndarray, " N"]:
    """By row: the best return of joined paths that come to a final row; minus infinity where none does."""
    step, reward = data.column("timestep"), data.reward.astype(np.float64)
    values = np.where(final, 0.0, -np.inf)  # at first: the best of what follows
    by_step, by_join = np.argsort(step, kind="stable"), np.argsort(step[starts], kind="stable")
    starts, ends = starts[by_join], ends[by_join]
    steps = np.arange(step.max() + 2)
    row_edges, join_edges = np.searchsorted(step[by_step], steps), np.searchsorted(step[starts], steps)
    for at in steps[-2::-1]:
        rows = by_step[row_edges[at] : row_edges[at + 1]]
        inner = rows[~data.last[rows]]
        values[inner] = values[inner + 1]
        joins = slice(join_edges[at], join_edges[at + 1])
        np.maximum.at(values, starts[joins], values[ends[joins]])
        values[rows] += reward[rows]
    return values


CHECKS = (Check("stitching", "obs", "not measured: one episode, or no observations that are vectors", potential),)
