"""All of a data set that is not a column, as JSON: name, environment, spaces, score range, and so on."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from mooring.data.dataset import Dataset
from mooring.data.spaces import Bounds, DataSpace, Discrete, Image, ObsSpace
from mooring.errors import BadInput

FIELDS = ("name", "env", "score_range", "horizon", "reward_scale", "reward_shift", "labels", "ahead")
SPACES = ("obs_space", "action_space")


def to_json(data: Dataset) -> str:
    """The fields and spaces of a data set."""
    fields = {name: getattr(data, name) for name in FIELDS}
    return json.dumps(fields | {name: _space_to_json(getattr(data, name)) for name in SPACES})


def from_json(text: str, where: str) -> dict[str, Any]:
    """What `names.assembled` takes as `stored`. Raises BadInput where the text is not what `to_json` wrote."""
    try:
        return _unpacked(json.loads(text))
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        found = f"its meta is damaged ({type(error).__name__}: {error})"
        raise BadInput(where, found, "the JSON that Mooring writes") from error


def _unpacked(stored: dict[str, Any]) -> dict[str, Any]:
    """Known fields in their own types; fields that a later version may add are left out."""
    meta = {name: stored[name] for name in (*FIELDS, *SPACES) if name in stored}
    numbers = {"horizon": int, "ahead": int, "reward_scale": float, "reward_shift": float}
    for name, convert in {"name": str, **numbers}.items():
        if name in meta:
            meta[name] = convert(meta[name])
    if meta.get("env") is not None:
        meta["env"] = str(meta["env"])
    if meta.get("score_range") is not None:
        low, high = meta["score_range"]
        meta["score_range"] = (float(low), float(high))
    if "labels" in meta:
        meta["labels"] = {field: tuple(map(str, labels)) for field, labels in meta["labels"].items()}
    return meta | {name: _space_of_json(meta[name]) for name in SPACES if name in meta}


def _space_to_json(space: ObsSpace) -> dict[str, Any]:
    """JSON knows no infinity, so infinite bounds are written as null."""
    if isinstance(space, dict):
        return {part: _space_to_json(space[part]) for part in space}
    if isinstance(space, Discrete):
        return {"kind": "discrete", "n": space.n}
    if isinstance(space, Image):
        return {"kind": "image", "shape": list(space.shape)}
    ends = {"low": space.low, "high": space.high}
    finite = {end: [float(v) if np.isfinite(v) else None for v in values] for end, values in ends.items()}
    return {"kind": "bounds", **finite}


def _space_of_json(form: dict[str, Any]) -> ObsSpace:
    if isinstance(form.get("kind"), str):
        return _one_space_of_json(form)
    return {part: _one_space_of_json(form[part]) for part in form}


def _one_space_of_json(form: dict[str, Any]) -> DataSpace:
    if form["kind"] == "discrete":
        return Discrete(int(form["n"]))
    if form["kind"] == "image":
        return Image(tuple(int(size) for size in form["shape"]))
    low = [-np.inf if value is None else value for value in form["low"]]
    high = [np.inf if value is None else value for value in form["high"]]
    return Bounds.of(low, high, len(low))
