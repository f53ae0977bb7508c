"""How much of the action space the data covers, how freely actions vary given the state, and by how many policies.

None of these is right or wrong. They say which methods can work: where actions follow from the state there is nothing
to choose between, and where they are wide a method may look further away from the data's mean action.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from jaxtyping import Float64
from scipy.spatial import cKDTree

from mooring.data.audit.features import RIDGE, Rows, actions, episode_of, folded, scales, some
from mooring.data.audit.report import Check, Finding
from mooring.data.dataset import Dataset
from mooring.data.spaces import Bounds, Discrete

BINS = 10  # ours: of each entry's range
FILLED = 1e-3  # ours: share of the rows that makes a bin covered
CANDIDATES, QUERIES, NEIGHBORS = 20_000, 1_000, 8  # ours: rows searched, rows asked about, and nearest ones of each
NARROW, WIDE = 0.2, 0.7  # ours: of the diversity
SHORT = 20  # ours: rows of an episode's half below which its averages say little
HALVES = 20  # ours: episodes below which a covariance between them is guesswork


def action_space(data: Dataset) -> Iterator[Finding]:
    """The share of the action space that is covered: of tenths of each entry's range, or of the labels."""
    if isinstance(data.action_space, Discrete):
        shares = np.bincount(data.action, minlength=data.action_space.n) / len(data)
        used = shares[shares > 0]
        covered, effective = float((shares > FILLED).mean()), float(np.exp(-(used * np.log(used)).sum()))
        text = (
            f"{covered:.0%} of the {data.action_space.n} actions are taken, as evenly as {effective:.1f} actions would"
        )
        yield Finding("pass", "action", text, evidence={"covered": covered, "effective": effective})
        return
    filled = [column / len(data) > FILLED for column in histograms(data)]
    covered = float(np.mean(filled))
    text = f"{covered:.0%} of the tenths of each entry's range hold rows"
    yield Finding("pass", "action", text, evidence={"covered": covered})


def histograms(data: Dataset, bins: int = BINS) -> list[np.ndarray]:
    """The counts of each entry of continuous actions in equal bins of its bounds."""
    assert isinstance(data.action_space, Bounds)
    ranges = zip(data.action.T, data.action_space.low, data.action_space.high, strict=True)
    return [np.histogram(column, bins, (float(low), float(high)))[0] for column, low, high in ranges]


def diversity(data: Dataset) -> Iterator[Finding]:
    """How much actions vary among near states, against all: 0 is one action per state, 1 is actions at random.

    The mean variance of actions among the 8 nearest states of other episodes, over their variance in all rows. Near
    states are never the same state, so this is at least what it would be in an endless log.
    """
    rows = some(np.arange(len(data)), CANDIDATES)
    obs, action, episode = folded(data)(data.obs, rows), actions(data, rows), episode_of(data, rows)
    if not obs.shape[1] or len(rows) < 10 * NEIGHBORS:
        return
    asked = some(np.arange(len(rows)), QUERIES)
    _, near = cKDTree(obs).query(obs[asked], k=4 * NEIGHBORS)
    apart = episode[near] != episode[asked, None] if data.num_episodes > NEIGHBORS else near != asked[:, None]
    nearest = np.argsort(~apart, axis=1, kind="stable")[:, :NEIGHBORS]
    complete = np.take_along_axis(apart, nearest, axis=1).all(axis=1)
    total = action.var(axis=0).sum()
    if complete.sum() < QUERIES // 10 or total == 0:
        return
    chosen = action[np.take_along_axis(near, nearest, axis=1)[complete]]
    value = float(min(chosen.var(axis=1, ddof=1).sum(axis=1).mean() / total, 1.0))
    words = "narrow" if value < NARROW else "wide" if value > WIDE else "between narrow and wide"
    text = f"actions vary {value:.0%} as much among near states as in all: {words}"
    yield Finding("pass", "action", text, evidence={"diversity": value})


def policies(data: Dataset) -> Iterator[Finding]:
    """The effective number of policies: 1 and the number of directions in which episodes' behavior differs.

    A linear policy is fitted to all rows. By episode, the means of its residuals, of their sizes, and of the actions'
    squares say how that episode's policy differs. What the two halves of episodes have in common in this, their
    cross-covariance, is no chance; its eigenvalues' participation ratio counts its directions, weighed by how
    much of the halves' variance is common. Two policies lie on one line, three in one plane.
    """
    if data.num_episodes < HALVES or np.median(data.lengths) < 2 * SHORT:
        return
    rows = np.arange(len(data)) if len(data) <= 4 * CANDIDATES else _whole_episodes(data, 4 * CANDIDATES)
    known, taken = folded(data)(data.obs, rows), actions(data, rows)
    known = np.hstack([known - known.mean(axis=0), np.ones((len(rows), 1))])
    weights = np.linalg.solve(known.T @ known + RIDGE * len(rows) * np.eye(known.shape[1]), known.T @ taken)
    residual = taken - known @ weights
    signature = np.hstack([residual, np.abs(residual), taken**2])
    first, second = _half_means(data, rows, signature / scales(signature))
    if len(first) < HALVES:
        return
    first, second = first - first.mean(axis=0), second - second.mean(axis=0)
    shared = (first.T @ second + second.T @ first) / 2
    spread = np.clip(np.linalg.eigvalsh(shared), 0, None)
    if not spread.sum():
        return
    common = spread.sum() / ((first**2).sum() + (second**2).sum()) * 2
    number = float(1 + min(common, 1.0) * spread.sum() ** 2 / (spread**2).sum())
    text = f"episodes differ in behavior as those of about {number:.1f} policies would"
    yield Finding("pass", "action", text, evidence={"policies": number})


def _whole_episodes(data: Dataset, count: int) -> Rows:
    """Rows of randomly drawn whole episodes, about `count` in all."""
    order = np.random.default_rng(0).permutation(data.num_episodes)
    drawn = np.sort(order[: max(1, int(np.searchsorted(np.cumsum(data.lengths[order]), count)))])
    return np.concatenate([np.arange(data.starts[each], data.ends[each] + 1) for each in drawn])


def _half_means(data: Dataset, rows: Rows, values: Float64[np.ndarray, "n d"]) -> tuple[np.ndarray, np.ndarray]:
    """The means of the values in the first and in the second half of each episode that is long enough."""
    episode = episode_of(data, rows)
    timestep = rows - data.starts[episode]
    half = (2 * timestep >= data.lengths[episode]).astype(int)
    key = 2 * episode + half
    starts = np.flatnonzero(np.diff(key, prepend=-1))
    counts = np.diff(np.append(starts, len(key)))
    means = np.add.reduceat(values, starts, axis=0) / counts[:, None]
    long = data.lengths[key[starts] // 2] >= 2 * SHORT
    halves = key[starts] % 2
    return means[long & (halves == 0)], means[long & (halves == 1)]


CHECKS = (
    Check("covered actions", "action", "not measured", action_space),
    Check("action diversity", "action", "not measured: too few rows near each other, or no vectors", diversity),
    Check("policies", "action", "not measured: too few episodes, or too short ones", policies),
)
