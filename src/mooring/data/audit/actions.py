"""What actions are (labels or amounts), whether their bounds are theirs, and entries that say nothing."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from mooring.data.audit.features import FITTED, episode_of, explained, folded, some, states
from mooring.data.audit.report import Check, Finding
from mooring.data.dataset import Dataset
from mooring.data.spaces import Bounds, Discrete

AT_BOUND = 1e-3  # of the bounds' width: nearer counts as at the bound
SATURATED = 0.1  # ours: share of rows with an entry at its bounds that is worth a note
WITHIN = 0.8  # ours: share of the bounds' reach; a sharp edge short of it is another bound
EDGE, CROWD = 0.02, 0.01  # ours: an edge is the outermost 2 % of the reach, crowded with 1 % of the rows; tails are not
LABELS = 32  # ours: so many different whole numbers may be labels
AMOUNTS = 8  # ours: a few labels may be in order by chance
ORDERED = 0.5  # ours: of what a table of n labels explains; through labels in any order a line explains 1 / (n - 1)
EFFECT = 0.05  # ours: shares of the change of obs, summed over entries, below which there is no effect to judge by


def constant(data: Dataset) -> Iterator[Finding]:
    """Entries that never change; discrete actions that are never, or alone, taken."""
    if isinstance(data.action_space, Discrete):
        counts = np.bincount(data.action, minlength=data.action_space.n)
        unused = np.flatnonzero(counts == 0)
        if (counts > 0).sum() == 1 < data.action_space.n:
            yield Finding("warning", "action", f"action {counts.argmax()} is taken in every row")
        elif len(unused):
            yield Finding("note", "action", f"actions {unused.tolist()} are never taken", count=len(unused))
        return
    fixed = np.flatnonzero(data.action.min(axis=0) == data.action.max(axis=0))
    if len(fixed):
        text = f"entries {fixed.tolist()} never change"
        yield Finding("warning", "action", text, "leave them out, or see what became of them", count=len(fixed))


def saturated(data: Dataset) -> Iterator[Finding]:
    """How often continuous actions are at their bounds."""
    if isinstance(data.action_space, Discrete):
        return
    low, high = data.action_space.low, data.action_space.high
    margin = AT_BOUND * (high - low)
    at_bounds = ((data.action <= low + margin) | (data.action >= high - margin)).any(axis=1)
    share = float(at_bounds.mean())
    text = f"{share:.1%} of the rows have an entry at its bounds"
    if share > SATURATED:
        fix = "keep actions a little inside where a method takes their tanh's inverse"
        yield Finding("note", "action", text, fix, int(at_bounds.argmax()), int(at_bounds.sum()), {"share": share})
    else:
        yield Finding("pass", "action", text, evidence={"share": share})


def short_of_bounds(data: Dataset) -> Iterator[Finding]:
    """Continuous actions that stop at a sharp edge well within their bounds: they were scaled, or have others."""
    if not isinstance(data.action_space, Bounds):
        return
    middle, half = _middle(data.action_space), (data.action_space.high - data.action_space.low) / 2
    place = (data.action - middle) / half
    low, high = place.min(axis=0), place.max(axis=0)
    reach = np.maximum(high, -low)
    crowd = np.minimum((place >= high - EDGE * reach).mean(axis=0), (place <= low + EDGE * reach).mean(axis=0))
    used = float(reach.max())
    if used < WITHIN and (crowd > CROWD / 2).any():
        entry = int(crowd.argmax())
        limits = f"{data.action[:, entry].min():g} to {data.action[:, entry].max():g}"
        text = f"stops at a sharp edge {used:.0%} of the way to its bounds (entry {entry}: {limits})"
        fix = "scale actions to their bounds, or give the bounds that they have"
        yield Finding("warning", "action", text, fix, evidence={"reach": used})
    elif used < WITHIN / 2:
        text = f"never gets farther than {used:.0%} of the way to its bounds"
        yield Finding("note", "action", text, "see that units and bounds are the same", evidence={"reach": used})
    else:
        yield Finding("pass", "action", f"reaches {used:.0%} of the way to its bounds", evidence={"reach": used})


def _middle(space: Bounds) -> np.ndarray:
    return (space.low + space.high) / 2


def amounts_as_labels(data: Dataset) -> Iterator[Finding]:
    """Discrete actions that act by their size: amounts in whole numbers.

    Held-out, a line through the actions' numbers explains the change of obs nearly as well as a table of them does.
    """
    if not isinstance(data.action_space, Discrete):
        return
    taken = len(np.unique(data.action))
    rows = some(np.flatnonzero(~data.last), FITTED)
    if taken < AMOUNTS or len(rows) < 20 * taken or not states(data.obs, rows[:1]).shape[1]:
        return
    vectors, groups = folded(data), episode_of(data, rows)
    obs = vectors(data.obs, rows)
    change, table = vectors(data.next_obs, rows) - obs, np.eye(data.action_space.n)[data.action[rows]]
    alone = explained(obs, change, groups)
    by_table, by_line = (
        float((explained(np.hstack([obs, form]), change, groups) - alone).clip(0).sum())
        for form in (table, data.action[rows, None])
    )
    if by_table > EFFECT and by_line > ORDERED * by_table:
        share = by_line / by_table
        text = f"its {taken} whole numbers act by their size: a line explains {share:.0%} of what a table does"
        fix = "give amounts as floats, with action_space=Bounds.of(low, high, 1)"
        yield Finding("warning", "action", text, fix, evidence={"by table": by_table, "by line": by_line})


def labels_as_amounts(data: Dataset) -> Iterator[Finding]:
    """Continuous actions that hold labels: whole numbers from 0 in one entry, or a single 1 among zeros."""
    if isinstance(data.action_space, Discrete):
        return
    values = np.unique(data.action[some(np.arange(len(data)))])
    whole = bool((values == np.round(values)).all()) and len(values) > 1
    size = data.action.shape[1]
    if whole and size == 1 and len(values) <= LABELS and values[0] == 0 and values[-1] == len(values) - 1:
        text = f"is one of the whole numbers 0 to {len(values) - 1} in every row: labels?"
        yield Finding("warning", "action", text, "give labels as integers", evidence={"values": len(values)})
    elif whole and size > 1 and set(values) == {0, 1} and bool((data.action.sum(axis=1) == 1).all()):
        text = f"has a single 1 among {size - 1} zeros in every row: labels, spread out"
        yield Finding("warning", "action", text, "give labels as integers (argmax)", evidence={"labels": size})


CHECKS = (
    Check("constant actions", "action", "every entry varies, every action is taken", constant),
    Check("saturated actions", "action", "discrete actions have no bounds", saturated),
    Check("bounds of actions", "action", "discrete actions have no bounds", short_of_bounds),
    Check("amounts as labels", "action", "no labels that act as amounts", amounts_as_labels),
    Check("labels as amounts", "action", "no amounts that look like labels", labels_as_amounts),
)
