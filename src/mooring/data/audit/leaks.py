"""Entries of observations that tell what a policy can not know: its own action, the return to come, the end."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from jaxtyping import Float, Float64

from mooring.data.audit.features import actions, some, vector_parts
from mooring.data.audit.report import Check, Finding, Level
from mooring.data.dataset import Dataset
from mooring.data.spaces import Discrete

Copied = tuple[np.ndarray, float, Level, str]
"""A column, the correlation that gives a copy away, the level of that, and words for the column."""

SAME = 0.9999  # ours: correlation; a logged copy reaches it through rescaling and float16, measured causes do not
ALIKE = 0.98  # ours: correlation of an entry with the end; an end is known from few rows


def leaks(data: Dataset) -> Iterator[Finding]:
    """Linear copies, over a sample of the rows, of what belongs to the row but is decided after its observation."""
    rows = some(np.arange(len(data)))
    targets = _targets(data, rows)
    for field, array in vector_parts(data.obs).items():
        for name, (target, limit, level, meaning) in targets.items():
            match = np.abs(_correlations(array[rows], target))
            for entry in np.flatnonzero(match > limit):
                text = f"entry {entry} is {meaning} (correlation {match[entry]:.4f})"
                fix = "leave it out of obs, unless it is known then" if level == "warning" else ""
                yield Finding(level, field, text, fix, evidence={f"{name} by entry {entry}": float(match[entry])})


def _targets(data: Dataset, rows: np.ndarray) -> dict[str, Copied]:
    """What an entry might copy, by name."""
    found: dict[str, Copied] = {
        "return to go": (data.column("return_to_go")[rows], SAME, "warning", "the return from here to the end")
    }
    taken = data.action[rows, None] if isinstance(data.action_space, Discrete) else actions(data, rows)
    for entry in range(taken.shape[1]):
        found[f"action {entry}"] = (taken[:, entry], SAME, "warning", f"entry {entry} of the row's own action")
    found["reward"] = (data.reward[rows], SAME, "note", "the row's own reward")
    found["timestep"] = (data.column("timestep")[rows], SAME, "note", "the step within the episode")
    terminated = (data.continues[rows] == 0).astype(np.float32)
    found["termination"] = (terminated, ALIKE, "warning", "the row's own termination")
    return found


def _correlations(array: Float[np.ndarray, "n d"], target: np.ndarray) -> Float64[np.ndarray, " d"]:
    """Of each column with the target; 0 where either does not vary."""
    columns, aim = array - array.mean(axis=0, dtype=np.float64), target - target.mean(dtype=np.float64)
    size = np.sqrt((columns**2).sum(axis=0) * (aim**2).sum())
    return (columns.T @ aim) / np.where(size > 0, size, np.inf)


CHECKS = (
    Check("leaks", "obs", "no entry copies the action, the reward, the return to go, the step or the end", leaks),
)
