"""How episodes end: what is marked as terminated, as cut off, and not at all.

A value bootstraps through a time limit and stops at a termination, so each taken for the other biases every value.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from jaxtyping import Float64
from scipy.stats import poisson

from mooring.data.audit.alignment import UNRELATED, carried
from mooring.data.audit.features import RIDGE, Matrix, Rows, actions, folded, same, scales, some, states
from mooring.data.audit.report import Check, Finding, Level
from mooring.data.dataset import Dataset
from mooring.data.validation import Obs

CHANCE = 1e-3  # ours: so rarely would as many terminations fall on one step if they came as they do on those before
FEW = 3  # ours: as many alike are no accident
MOST = 0.5  # ours: share that makes a pattern out of cases
FITTING = 0.9  # ours: share of the steps that the second fit keeps; the resets of episodes above 10 steps go
LEAP = 4.0  # ours: times the median step's surprise
SELDOM = 0.99  # ours: share of steps that a reset is larger than
NEAR, AWAY = 0.05, 0.2  # ours: shares of rows by distance to the first: lands among these, comes from beyond those
CLOSER = 0.2  # ours: of the distance before; a swing through the start gets less near in one step
RARE = 1e-4  # ours: share of rows; a tenth of the resets is surely seen, and one row in 1,000 is one
ENOUGH = 500  # ours: rows below which nearest and usual mean little
CHUNK = 100_000  # rows at a time, to bound memory


def limits_as_terminals(data: Dataset) -> Iterator[Finding]:
    """Terminations that pile up at the longest episode's length, where a time limit would end episodes.

    By a Poisson test against the lengths just before: the piled-up count against their rate per step.
    """
    longest = int(data.lengths.max())
    ended = data.continues[data.ends] == 0
    piled = data.ends[ended & (data.lengths == longest)]
    window = max(min(longest - 1, 10), longest // 10)
    before = int((ended & (data.lengths < longest) & (data.lengths >= longest - window)).sum())
    if longest == 1 or len(piled) < 2:
        return
    chance = float(poisson.sf(len(piled) - 1, (before + 1) / window))
    if chance < CHANCE:
        text = f"{len(piled)} terminations come at step {longest}, {before} in the {window} steps before: a time limit?"
        fix = "mark time limits as truncated (timeouts), unless the task's own rules end it at that step"
        evidence = {"at longest": len(piled), "just before": before, "chance": chance}
        yield Finding("warning", "terminated", text, fix, int(piled[0]), len(piled), evidence)


def terminals_as_cuts(data: Dataset) -> Iterator[Finding]:
    """Episodes cut short whose last step is unlike any other step: most likely they were terminated.

    Unlike: a number of next_obs lies outside all that obs ever holds, or the reward outside all other rows' rewards.
    """
    early = data.ends[(data.continues[data.ends] > 0) & (data.lengths < data.lengths.max())]
    early = early[early < len(data) - 1]  # the tail is cut by the end of the data
    if len(early) < FEW:
        return
    seen, reached = states(data.obs), states(data.next_obs, early)
    outside = ((reached < seen.min(axis=0, initial=np.inf)) | (reached > seen.max(axis=0, initial=-np.inf))).any(axis=1)
    reward, inner = data.reward[early], data.reward[~data.last]
    odd = (reward < inner.min()) | (reward > inner.max())
    share = float((outside | odd).mean())
    count, evidence = int((outside | odd).sum()), {"early": len(early), "share unlike others": share}
    if share > MOST:
        text = (
            f"{len(early)} episodes are cut short, and {share:.0%} of these end in states or rewards seen nowhere else"
        )
        fix = "mark them as terminated, if the task ended there (a fall, a goal)"
        row = int(early[outside | odd][0])
        yield Finding("warning", "terminated", text, fix, row, count, evidence)
    else:
        text = f"{len(early)} episodes are cut before the longest ({data.lengths.max()} steps) without a termination"
        yield Finding(
            "note", "truncated", text, "see that no termination got lost", int(early[0]), len(early), evidence
        )


def resets_as_next(data: Dataset) -> Iterator[Finding]:
    """next_obs at ends that is the following episode's first obs."""
    ends = data.ends[:-1]
    ends = ends[data.lengths[:-1] > 1]
    resets = same(data.next_obs, ends, data.obs, ends + 1)
    for kind, group in (("cut off", data.continues[ends] > 0), ("terminated", data.continues[ends] == 0)):
        crossing = ends[group & resets]
        if len(crossing) < 2 or len(crossing) <= MOST * group.sum():
            continue
        share = len(crossing) / group.sum()
        row, count, evidence = int(crossing[0]), len(crossing), {"share": share}
        if _leaping(data, crossing):
            text = f"is the first obs of the next episode at {count} of {group.sum()} ends that were {kind}"
            level: Level = "failure" if kind == "cut off" else "warning"
            fix = "store what was seen before the reset; where it is not known, drop those rows"
            yield Finding(level, "next_obs", text, fix, row, count, evidence)
        elif kind == "terminated":
            text = f"after {count} of {group.sum()} terminations the log goes on as if nothing had ended"
            fix = "see what the flag means: the MDP did not end there"
            yield Finding("warning", "terminated", text, fix, row, count, evidence)
        else:
            text = f"{count} of {group.sum()} cuts are in the midst: the log goes on from the same state"
            yield Finding("note", "truncated", text, row=row, count=count, evidence=evidence)


def _leaping(data: Dataset, rows: Rows) -> bool:
    """Whether obs changes in most of these rows as it rarely does within episodes."""
    inner = some(np.flatnonzero(~data.last))
    if not len(inner) or not states(data.obs, inner[:1]).shape[1]:
        return True
    spread = scales(states(data.obs, inner))
    sizes = [np.abs((states(data.next_obs, at) - states(data.obs, at)) / spread).mean(axis=1) for at in (rows, inner)]
    return bool(np.median(sizes[0]) > np.quantile(sizes[1], SELDOM))


def missed_ends(data: Dataset) -> Iterator[Finding]:
    """Rows within episodes whose obs leaps back to where the log began: ends that are not marked.

    A leap comes from far, lands among the rows nearest to the first one, and is far larger than a linear model of the
    step makes of it. Resets to starts that are spread widely do not show.
    """
    inner = np.flatnonzero(~data.last)
    if len(inner) < ENOUGH or not states(data.obs, inner[:1]).shape[1]:
        return
    if (share := carried(data)) is not None and share < UNRELATED:
        return  # rows out of order leap everywhere
    vectors = folded(data)
    surprise = _surprise(data, vectors, inner)
    first = vectors(data.obs, np.arange(1))
    pieces = np.array_split(np.arange(len(data)), len(data) // CHUNK + 1)
    distance = np.concatenate([np.abs(vectors(data.obs, rows) - first).mean(axis=1) for rows in pieces])
    left, reached = distance[inner], distance[inner + 1]
    near, away = np.quantile(distance, [NEAR, AWAY])
    back = (left > away) & (reached <= near) & (reached <= CLOSER * left)
    leaps = inner[back & (surprise > LEAP * np.median(surprise))]
    if len(leaps) >= max(FEW, RARE * len(data)):
        text = f"in {len(leaps)} rows within episodes obs leaps back to where the log began, as at a reset"
        fix = "mark the ends of episodes; see that obs has as many rows per episode as action has"
        yield Finding("failure", "truncated", text, fix, int(leaps[0]) + 1, len(leaps), {"leaps": len(leaps)})


def _surprise(data: Dataset, vectors: Callable[[Obs, Rows], Matrix], inner: Rows) -> Float64[np.ndarray, " n"]:
    """By row: how far the next row's obs is from a linear model of it, in the model's usual errors.

    The model is fitted twice, the second time without the tenth of the rows that fitted worst.
    """

    def columns(rows: Rows) -> tuple[Matrix, Matrix]:
        obs = vectors(data.obs, rows)
        return np.hstack([obs, actions(data, rows), np.ones((len(rows), 1))]), vectors(data.obs, rows + 1) - obs

    known, change = columns(some(inner))
    kept = np.ones(len(known), bool)
    for _ in range(2):
        gram = known[kept].T @ known[kept] + RIDGE * kept.sum() * np.eye(known.shape[1])
        weights = np.linalg.solve(gram, known[kept].T @ change[kept])
        error = change - known @ weights
        usual = scales(error[kept])
        size = np.sqrt(((error / usual) ** 2).mean(axis=1))
        kept = size <= np.quantile(size, FITTING)
    pieces = np.array_split(inner, len(inner) // CHUNK + 1)
    errors = (change - known @ weights for known, change in map(columns, pieces))
    return np.concatenate([np.sqrt(((error / usual) ** 2).mean(axis=1)) for error in errors])


def after_the_end(data: Dataset) -> Iterator[Finding]:
    """Rows that repeat a terminal state, each terminated again: padding after the end."""
    single = np.flatnonzero((data.lengths == 1) & (data.continues[data.ends] == 0))
    rows = data.ends[single]
    rows = rows[(rows > 0) & (data.continues[rows - 1] == 0)]
    if not len(rows) or data.lengths.max() == 1:
        return
    padding = rows[same(data.obs, rows, data.next_obs, rows - 1)]
    if len(padding) >= FEW:
        text = f"{len(padding)} rows come after a termination and repeat its state, each terminated again"
        yield Finding(
            "warning", "terminated", text, "drop the rows after an episode's end", int(padding[0]), len(padding)
        )


def tail(data: Dataset) -> Iterator[Finding]:
    """A last episode that the end of the data cut off."""
    if data.num_episodes == 1 and data.continues[-1]:
        yield Finding(
            "note", "truncated", f"no end is marked: one episode of {len(data)} rows", "mark ends, if there are any"
        )
    elif data.continues[-1] and data.lengths[-1] < data.lengths.max():
        text = f"the last episode is cut off after {data.lengths[-1]} steps by the end of the data"
        yield Finding("note", "truncated", text, row=int(data.starts[-1]), count=int(data.lengths[-1]))


CHECKS = (
    Check(
        "time limits as terminals",
        "terminated",
        "terminations do not pile up where a time limit would be",
        limits_as_terminals,
    ),
    Check("terminals as cuts", "terminated", "no episodes are cut short", terminals_as_cuts),
    Check("next observation at ends", "next_obs", "is never the next episode's first obs", resets_as_next),
    Check("missed ends", "truncated", "obs never leaps back within an episode", missed_ends),
    Check("rows after the end", "terminated", "no rows repeat a terminal state", after_the_end),
    Check("tail", "truncated", "the last episode is whole", tail),
)
