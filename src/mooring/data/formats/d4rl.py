"""HDF5 files in the layout of D4RL (Fu et al. 2020, arXiv:2004.07219), read with h5py alone.

`terminals` marks where the MDP ended and `timeouts` where the log of an episode ended otherwise; an episode ends at
either. The last episode, cut off by the end of the file, is kept. Files without `next_observations` get them
from the following row, and lose the rows that none follows (see `Dataset.build`). Files without `timeouts` (v0)
are cut by a step counter at the time limit, else where `next_observations` and the next row disagree.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np

from mooring.data import catalog
from mooring.data.dataset import Dataset
from mooring.data.validation import rows_with
from mooring.errors import BadInput

COLUMNS = ("observations", "actions", "rewards", "terminals", "next_observations", "timeouts")
OPTIONAL = COLUMNS[4:]
RENAMED = {"action_log_probs": "action_log_prob"}


def read(path: Path, **meta: Any) -> Dataset:
    """The data set in a file; its further columns (`infos/` and others with a number per row) become `extra`.

    What D4RL's catalog knows of the file's name, or of the environment its metadata names, fills the `meta` that
    is not given. `infos/action_log_probs` is called action_log_prob. Raises BadInput.
    """
    where = str(path)
    try:
        with h5py.File(path, "r") as file:
            columns, extra, env = _columns(file, where), _extra_columns(file), _environment(file)
    except (OSError, RuntimeError) as error:
        raise BadInput(where, f"is not a readable HDF5 file ({error})", "a whole file") from error
    meta = catalog.defaults(path.stem, meta.get("env") or env) | meta
    if "timeouts" not in columns:
        columns["timeouts"] = _missing_timeouts(columns, meta.get("horizon"), where)
    return Dataset.build(
        columns["observations"],
        columns["actions"],
        columns["rewards"],
        columns["terminals"],
        columns["timeouts"],
        next_obs=columns.get("next_observations"),
        extra=extra,
        where=where,
        **meta,
    )


def _columns(file: h5py.File, where: str) -> dict[str, np.ndarray]:
    missing = [name for name in COLUMNS if name not in OPTIONAL and not isinstance(file.get(name), h5py.Dataset)]
    if missing:
        found = f"lacks {', '.join(missing)} (it holds {', '.join(list(file)[:8]) or 'nothing'})"
        raise BadInput(where, found, "the layout of D4RL: " + ", ".join(COLUMNS[:4]))
    return {name: file[name][()] for name in COLUMNS if name in file}


def _extra_columns(file: h5py.File) -> dict[str, np.ndarray]:
    """Numbers with one row per step, beside the known columns."""
    found = {**{name: file[name] for name in file if name not in COLUMNS}, **dict(file.get("infos", {}))}
    rows = len(file["rewards"])
    return {
        RENAMED.get(name, name): item[()]
        for name, item in found.items()
        if isinstance(item, h5py.Dataset) and item.ndim in (1, 2) and len(item) == rows and item.dtype.kind in "biuf"
    }


def _environment(file: h5py.File) -> str | None:
    item = file.get("metadata/env")
    value = item[()] if isinstance(item, h5py.Dataset) and item.ndim == 0 else None
    return value.decode(errors="replace") if isinstance(value, bytes) else None


def _missing_timeouts(columns: dict[str, np.ndarray], limit: int | None, where: str) -> np.ndarray:
    """Where time limits must have been, in a file that does not say."""
    if limit is not None:
        return _count_to(limit, columns["terminals"].astype(bool).reshape(-1))
    obs, next_obs = columns["observations"], columns.get("next_observations")
    if next_obs is not None and next_obs.shape == obs.shape:
        timeouts = np.zeros(len(obs), bool)
        timeouts[rows_with(~np.isclose(next_obs[:-1], obs[1:]))] = True
        return timeouts
    found = "has no timeouts, no next_observations to tell them by, and its time limit is not known"
    raise BadInput(where, found, fix="give horizon, the most steps of an episode")


def _count_to(limit: int, terminals: np.ndarray) -> np.ndarray:
    """True at every `limit`-th row since the last terminal one (or since the start)."""
    rows = np.arange(len(terminals))
    restarts = np.where(np.append(True, terminals[:-1]), rows, 0)
    since = rows - np.maximum.accumulate(restarts)
    return since % limit == limit - 1
