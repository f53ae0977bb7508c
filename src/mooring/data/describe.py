"""What a data set holds, in numbers (`summary`), and what in it deserves a look before training (`audit`)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from mooring.data import catalog
from mooring.data.dataset import Dataset
from mooring.data.spaces import Bounds, DataSpace, Discrete
from mooring.data.validation import label, parts, rows_with

FAR = 30.0  # ours: standard deviations from the mean; sensors and simulators that blew up lie beyond
SATURATED = 0.1  # ours: share of rows with an action at its bounds that is worth a note
DUPLICATED = 0.01  # ours: share of repeated rows that is worth a warning


@dataclass(frozen=True)
class Finding:
    """Something worth a look: `level` warning (may well spoil learning) or note, the field, and one sentence."""

    level: Literal["warning", "note"]
    field: str
    text: str


def summary(data: Dataset) -> dict[str, Any]:
    """Plain numbers, lists and strings about a data set, by name; nested where a quantity has several.

    `score` appears where the reference returns are known, and is the returns on that scale; `continues` where rows
    that go on stand for several steps; `labels` where entries have names.
    """
    spaces = data.obs_space if isinstance(data.obs_space, dict) else {"": data.obs_space}
    described: dict[str, Any] = {
        "name": data.name,
        "env": data.env,
        "rows": len(data),
        "episodes": data.num_episodes,
        "horizon": data.horizon,
        "length": _range(data.lengths),
        "return": _range(data.returns),
        "ends": ends(data),
        "reward": _range(data.reward),
        "action": _space(data.action, data.action_space),
        "obs": {part or "obs": _space(array, spaces[part]) for part, array in parts(data.obs).items()},
        "extra": sorted(data.extra),
        "fingerprint": data.fingerprint(),
    }
    if data.score_range:
        described["score"] = _range(catalog.normalized(data.returns, data.score_range))
    going_on = data.continues[data.continues > 0]
    if (going_on < 1).any():
        described["continues"] = _range(going_on)
    if data.labels:
        described["labels"] = {name: list(labels) for name, labels in data.labels.items()}
    return described


def ends(data: Dataset) -> dict[str, int]:
    """How many episodes the MDP terminated, a time limit ended (the longest that occur), or were cut off early."""
    terminated = data.continues[data.ends] == 0
    full = data.lengths == data.lengths.max()
    return {
        "terminated": int(terminated.sum()),
        "time limit": int((~terminated & full).sum()),
        "cut off": int((~terminated & ~full).sum()),
    }


def _range(values: np.ndarray) -> dict[str, float]:
    return {
        "min": float(values.min()),
        "mean": float(values.mean(dtype=np.float64)),
        "max": float(values.max()),
    }


def _space(column: np.ndarray, space: DataSpace) -> dict[str, Any]:
    """The kind of a column, its bounds or number of values, and what lies in it."""
    if isinstance(space, Discrete):
        return {"kind": "discrete", "n": space.n, "counts": np.bincount(column, minlength=space.n).tolist()}
    if not isinstance(space, Bounds):
        return {"kind": "image", "shape": list(space.shape), **_range(column)}
    bounds = {"low": space.low.tolist(), "high": space.high.tolist()} if space.finite else {}
    lowest, highest = column.min(axis=0).tolist(), column.max(axis=0).tolist()
    return {"kind": "continuous", "size": column.shape[1], **bounds, "min": lowest, "max": highest}


def audit(data: Dataset) -> list[Finding]:
    """A light first audit, some seconds per million rows; warnings come first."""
    checks = (_rewards, _time_limits, _continuity, _tail, _duplicates, _observations, _actions)
    found = [finding for check in checks for finding in check(data)]
    return sorted(found, key=lambda finding: finding.level != "warning")


def _rewards(data: Dataset) -> Iterator[Finding]:
    if data.reward.min() == data.reward.max():
        yield Finding("warning", "reward", f"every reward is {data.reward[0]:g}: there is nothing to learn from")


def _time_limits(data: Dataset) -> Iterator[Finding]:
    """Terminations that all come at one step look like time limits that were written as terminals."""
    ended = data.lengths[data.continues[data.ends] == 0]
    if len(ended) > 2 and 1 < ended.min() == ended.max() == data.lengths.max():
        text = f"all {len(ended)} terminations come after {ended[0]} steps: are they time limits?"
        yield Finding("warning", "terminated", text)


def _continuity(data: Dataset) -> Iterator[Finding]:
    inner = np.flatnonzero(~data.last)
    following = parts(data.obs)
    for part, array in parts(data.next_obs).items():
        differs = array[inner] != following[part][inner + 1]
        broken = inner[rows_with(differs)]
        if len(broken):
            text = f"differs from the following row's obs within {len(broken)} rows, first row {broken[0]}"
            yield Finding("warning", label("next_obs", part), text)


def _tail(data: Dataset) -> Iterator[Finding]:
    if data.continues[-1] and data.lengths[-1] < data.lengths.max():
        text = f"the last episode is cut off after {data.lengths[-1]} steps by the end of the data"
        yield Finding("note", "last", text)


def _duplicates(data: Dataset) -> Iterator[Finding]:
    """Repeated rows of obs and action, found by a random hash of their bits; not for images or a small table."""
    columns = [*parts(data.obs).values(), data.action]
    if any(column.ndim > 2 for column in columns) or all(column.ndim == 1 for column in columns):
        return
    bits = np.concatenate([column.reshape(len(data), -1).view(np.uint32) for column in columns], axis=1)
    factors = np.random.default_rng(0).integers(1, 2**63, bits.shape[1], dtype=np.uint64)
    repeated = 1 - len(np.unique(bits @ factors)) / len(data)
    if repeated > DUPLICATED:
        yield Finding("warning", "obs", f"{repeated:.1%} of the rows repeat another row's obs and action")


def _observations(data: Dataset) -> Iterator[Finding]:
    for part, array in parts(data.obs).items():
        if array.ndim != 2:
            continue
        field, low, high = label("obs", part), array.min(axis=0), array.max(axis=0)
        constant = np.flatnonzero(low == high)
        if len(constant):
            yield Finding("note", field, f"entries {constant.tolist()} never change")
        mean, std = array.mean(axis=0, dtype=np.float64), array.std(axis=0, dtype=np.float64)
        distance = np.maximum(high - mean, mean - low) / np.where(std > 0, std, np.inf)
        for entry in np.flatnonzero(distance > FAR):
            row = int(np.abs(array[:, entry] - mean[entry]).argmax())
            text = f"entry {entry} is {array[row, entry]:g} in row {row}, {distance[entry]:.0f} standard deviations out"
            yield Finding("warning", field, text)


def _actions(data: Dataset) -> Iterator[Finding]:
    if isinstance(data.action_space, Discrete):
        unused = np.flatnonzero(np.bincount(data.action, minlength=data.action_space.n) == 0)
        if len(unused):
            yield Finding("note", "action", f"actions {unused.tolist()} are never taken")
        return
    low, high = data.action_space.low, data.action_space.high
    constant = np.flatnonzero(data.action.min(axis=0) == data.action.max(axis=0))
    if len(constant):
        yield Finding("warning", "action", f"entries {constant.tolist()} never change")
    margin = 1e-3 * (high - low)
    share = float(((data.action <= low + margin) | (data.action >= high - margin)).any(axis=1).mean())
    if share > SATURATED:
        yield Finding("note", "action", f"{share:.0%} of the rows have an entry at its bounds")
