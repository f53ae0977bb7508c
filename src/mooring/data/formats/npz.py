"""NumPy's .npz: read with the names that are in use, written so that a data set comes back as it was.

Nothing is unpickled. Known names are those of `Dataset`, and the usual ones for them (SYNONYMS; NeoRL's are among
them). Parts of dicts are named "obs/part". Every other array with one row per step becomes an extra column.
"""

from __future__ import annotations

import json
import os
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from mooring.data import catalog
from mooring.data.dataset import Dataset
from mooring.data.spaces import Bounds, DataSpace, Discrete, Image
from mooring.errors import BadInput

SYNONYMS = {
    "obs": ("obs", "observations", "observation", "states"),
    "action": ("action", "actions"),
    "reward": ("reward", "rewards"),
    "next_obs": ("next_obs", "next_observations", "next_states"),
    "terminated": ("terminated", "terminals", "terminations"),
    "done": ("done", "dones"),
    "truncated": ("truncated", "timeouts", "truncations"),
    "continues": ("continues",),
    "last": ("last",),
}
REQUIRED = ("obs", "action", "reward", "terminated")
GROUPS = ("obs", "next_obs", "extra")


def read(path: Path, **meta: Any) -> Dataset:
    """The data set in a file; `meta` is what `Dataset.build` takes beside columns. Raises BadInput.

    A column named `done` that marks every truncated row too is taken to mean either end, so that only its other
    rows count as terminated.
    """
    where = str(path)
    arrays = _arrays(path, where)
    stored = json.loads(str(arrays.pop("meta"))) if "meta" in arrays else {}
    columns = _named(arrays)
    missing = [name for name in REQUIRED if name not in columns]
    if missing:
        found = f"lacks {', '.join(missing)} (it holds {', '.join(sorted(arrays)[:8]) or 'nothing'})"
        raise BadInput(where, found, "obs, action, reward and terminated, or usual names for them")
    scale, shift = stored.pop("reward_scale", 1.0), stored.pop("reward_shift", 0.0)
    known = catalog.defaults(path.stem, meta.get("env")) | _unpacked(stored) | meta
    return Dataset.build(**columns, where=where, **known).with_reward(scale=scale, shift=shift)


def _arrays(path: Path, where: str) -> dict[str, np.ndarray]:
    if not zipfile.is_zipfile(path):
        raise BadInput(where, "is not a .npz file, or not a whole one", "what numpy.savez writes")
    try:
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except ValueError as error:
        found = f"holds what only a pickle can store ({error})"
        raise BadInput(where, found, "arrays of numbers", "save each column with its own dtype") from error
    except (OSError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise BadInput(where, f"is damaged ({error})", "a whole .npz file") from error


def _named(arrays: dict[str, np.ndarray]) -> dict[str, Any]:
    """Columns by the names that `Dataset.build` takes."""
    columns: dict[str, Any] = {"extra": {}}
    for name, synonyms in SYNONYMS.items():
        present = [key for key in synonyms if key in arrays]
        if present:
            columns[name] = arrays[present[0]]
    known = {key for synonyms in SYNONYMS.values() for key in synonyms}
    rows = columns.get("reward", np.empty(0)).shape[:1]
    for key, array in arrays.items():
        group, _, part = key.partition("/")
        if part and group in GROUPS:
            columns.setdefault(group, {})[part] = array
        elif key not in known and array.shape[:1] == rows:
            columns["extra"][key] = array
    return _with_ends(columns)


def _with_ends(columns: dict[str, Any]) -> dict[str, Any]:
    """The two kinds of ends, from whichever columns tell them."""
    done, last = columns.pop("done", None), columns.pop("last", None)
    if "continues" in columns:
        columns.setdefault("terminated", columns["continues"] == 0)
    if done is not None:
        columns.setdefault("terminated", _without_cuts(done, columns.get("truncated")))
    if last is not None and "terminated" in columns:
        columns.setdefault("truncated", (last != 0) & (columns["terminated"] == 0))
    return columns


def _without_cuts(done: np.ndarray, truncated: np.ndarray | None) -> np.ndarray:
    """Where `done` marks every truncated row too, it means either end, and is cleared there."""
    if truncated is None or truncated.shape != done.shape:
        return done
    cut = truncated != 0
    return np.where(cut, 0, done) if done[cut].all() else done


def save_npz(data: Dataset, path: Path | str) -> None:
    """Writes a compressed .npz that `read` turns into an equal data set; the file appears whole or not at all."""
    path = Path(path)
    arrays: dict[str, Any] = {**data.columns(), "meta": np.array(json.dumps(_packed(data)))}
    part = path.with_name(f"{path.name}.part")
    try:
        with part.open("wb") as file:
            np.savez_compressed(file, **arrays)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


META = ("name", "env", "score_range", "horizon", "reward_scale", "reward_shift", "labels")


def _packed(data: Dataset) -> dict[str, Any]:
    """All that is not a column, as JSON."""
    spaces = data.obs_space
    obs = (
        {part: _space_to_json(spaces[part]) for part in spaces} if isinstance(spaces, dict) else _space_to_json(spaces)
    )
    meta = {name: getattr(data, name) for name in META}
    return meta | {"obs_space": obs, "action_space": _space_to_json(data.action_space)}


def _unpacked(stored: dict[str, Any]) -> dict[str, Any]:
    meta = dict(stored)
    if meta.get("score_range"):
        meta["score_range"] = tuple(meta["score_range"])
    if "obs_space" in meta:
        obs = meta["obs_space"]
        whole = "kind" in obs and isinstance(obs["kind"], str)
        meta["obs_space"] = _space_of_json(obs) if whole else {part: _space_of_json(obs[part]) for part in obs}
        meta["action_space"] = _space_of_json(meta["action_space"])
    return meta


def _space_to_json(space: DataSpace) -> dict[str, Any]:
    """JSON knows no infinity, so infinite bounds are written as null."""
    if isinstance(space, Discrete):
        return {"kind": "discrete", "n": space.n}
    if isinstance(space, Image):
        return {"kind": "image", "shape": list(space.shape)}
    ends = {"low": space.low, "high": space.high}
    finite = {end: [float(v) if np.isfinite(v) else None for v in values] for end, values in ends.items()}
    return {"kind": "bounds", **finite}


def _space_of_json(form: dict[str, Any]) -> Any:
    if form["kind"] == "discrete":
        return Discrete(form["n"])
    if form["kind"] == "image":
        return Image(tuple(form["shape"]))
    low = [-np.inf if value is None else value for value in form["low"]]
    high = [np.inf if value is None else value for value in form["high"]]
    return Bounds.of(low, high, len(low))
