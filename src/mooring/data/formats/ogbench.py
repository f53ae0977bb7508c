"""NPZ files of OGBench (Park et al. 2024, arXiv:2410.20092).

As they are downloaded, `observations` and `actions` have one row more than steps in each trajectory, whose last
row `terminals` marks: that row's action means nothing (ogbench/utils.py, load_dataset). Its returned forms, saved, are
read as well: "regular" ones have `next_observations`, "compact" ones have `valids`, 0 in each trajectory's last row.

`terminals` never says that the MDP ended; `masks` is 0 where it did (ogbench/relabel_utils.py, for single tasks; there
a trajectory goes on beyond the goal, and is cut here). Without `masks` nothing terminates, and without `rewards`, which
goal-conditioned data lack, every reward is 0.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np

from mooring.data import validation
from mooring.data.dataset import Dataset
from mooring.data.episodes import to_episodes
from mooring.data.formats import names
from mooring.data.formats.npz import arrays_of, write_arrays
from mooring.errors import BadInput

REQUIRED = ("observations", "actions", "terminals")
COLUMNS = (*REQUIRED, "rewards", "masks", "valids", "next_observations")


def recognizes(names: Collection[str]) -> bool:
    found = {*names}
    return {*REQUIRED} <= found and ("rewards" not in found or bool({"masks", "valids"} & found))


def read(path: Path, **given: Any) -> Dataset:
    """The data set in a file; `given` is what `Dataset.build` takes beside columns. Raises BadInput."""
    where = str(path)
    arrays = arrays_of(path, where)
    _check(arrays, where)
    rows = len(arrays["terminals"])
    arrays = {"rewards": np.zeros(rows), "masks": np.ones(rows)} | arrays
    ends = validation.flags(arrays.pop("terminals"), "terminals", where)
    if "next_observations" not in arrays:
        arrays, ends = _shifted(arrays, ends, where)
    arrays["terminated"] = arrays.pop("masks") == 0
    arrays["truncated"] = ends & ~arrays["terminated"]
    return names.assembled(arrays, path, where, {}, given)


def write(data: Dataset, path: Path) -> None:
    """A file as OGBench's, which its own loader reads, with `rewards`, `masks` and extra columns as further arrays."""
    if isinstance(data.obs, dict):
        raise BadInput(
            data.name, "has dict observations, which OGBench's files can not hold", fix="choose npz, hdf5 or minari"
        )
    episodes = to_episodes(data)
    columns: dict[str, list[np.ndarray]] = {}
    for episode in episodes:
        steps = len(episode.action)
        masks = np.ones(steps, np.float32)
        masks[-1] = not episode.terminated
        for name, column in {
            "observations": episode.obs,
            "actions": _extended(episode.action),
            "terminals": np.arange(steps + 1) == steps,
            "rewards": _extended(episode.reward),
            "masks": _extended(masks),
            **{name: _extended(column) for name, column in episode.extra.items()},
        }.items():
            columns.setdefault(name, []).append(column)
    write_arrays({name: np.concatenate(parts) for name, parts in columns.items()}, path)


def _extended(column: np.ndarray) -> np.ndarray:
    """A row more, which means nothing."""
    return np.concatenate([column, column[-1:]])


def _check(arrays: dict[str, np.ndarray], where: str) -> None:
    missing = [name for name in REQUIRED if name not in arrays]
    if missing:
        found = f"lacks {', '.join(missing)} (it holds {', '.join(sorted(arrays)[:8]) or 'nothing'})"
        raise BadInput(where, found, "the layout of OGBench: " + ", ".join(REQUIRED))
    rows = {name: (*arrays[name].shape, 0)[0] for name in COLUMNS if name in arrays}
    for name in rows:
        if rows[name] != rows["terminals"] or rows[name] < 2:
            found = f"{name} has {rows[name]} rows and terminals has {rows['terminals']}"
            raise BadInput(where, found, "one row per observation in each")


def _shifted(arrays: dict[str, np.ndarray], ends: np.ndarray, where: str) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Rows that are steps, with the observation of the row after; and which of them end a trajectory."""
    beyond = arrays.pop("valids") == 0 if "valids" in arrays else ends  # rows that only hold the last observation
    if not beyond[-1] or beyond[0]:
        found = f"terminals is {int(ends[-1])} in the last row"
        raise BadInput(where, found, "1 in the last row of each trajectory, which has an observation more than steps")
    step = np.flatnonzero(~beyond)
    kept = {name: column[step] for name, column in arrays.items() if len(column) == len(ends)}
    return kept | {"next_observations": arrays["observations"][step + 1]}, beyond[step + 1]
