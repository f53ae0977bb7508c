"""NPZ files of NeoRL (Qin et al. 2022, arXiv:2102.00714) and NeoRL-2 (Gao et al. 2025, arXiv:2503.19267).

obs, action, next_obs, reward, and `done` where the MDP ended. NeoRL-2 marks time limits in `truncated`; NeoRL gives
in `index` the row after each trajectory's last one (polixir/NeoRL2:neorl2/envs/base.py, polixir/NeoRL:neorl/utils.py).
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np

from mooring.data.dataset import Dataset
from mooring.data.formats import names
from mooring.data.formats.npz import arrays_of, write_arrays
from mooring.errors import BadInput

COLUMNS = ("obs", "action", "next_obs", "reward", "done")


def recognizes(names: Collection[str]) -> bool:
    return {*COLUMNS} <= {*names}


def read(path: Path, **given: Any) -> Dataset:
    """The data set in a file; `given` is what `Dataset.build` takes beside columns. Raises BadInput."""
    where = str(path)
    arrays = arrays_of(path, where)
    if {"index", "reward", "done"} <= arrays.keys():
        ends = _ends(arrays.pop("index"), len(arrays["reward"]), where)
        arrays.setdefault("truncated", ends & (arrays["done"].reshape(-1) == 0))
    return names.assembled(arrays, path, where, {}, given)


def write(data: Dataset, path: Path) -> None:
    """A file as NeoRL-2's; extra columns are further arrays."""
    if isinstance(data.obs, dict):
        raise BadInput(
            data.name, "has dict observations, which NeoRL's files can not hold", fix="choose npz, hdf5 or minari"
        )
    terminated = data.continues == 0
    columns = dict(zip(COLUMNS, (data.obs, data.action, data.next_obs, data.reward, terminated), strict=True))
    columns |= {"truncated": data.last & ~terminated} | data.extra
    ends = {name: columns[name].astype(np.float32) for name in ("done", "truncated")}
    write_arrays(columns | ends, path)


def _ends(index: np.ndarray, rows: int, where: str) -> np.ndarray:
    """The last row of each trajectory."""
    whole = index.ndim == 1 and len(index) and index.dtype.kind in "iu"
    if not whole or index[0] < 1 or (np.diff(index) < 1).any() or index[-1] != rows:
        expected = f"rising row numbers, the last of them {rows}: one after each trajectory"
        raise BadInput(where, f"index holds {str(index[:4].tolist())[1:-1]} ...", expected)
    ends = np.zeros(rows, bool)
    ends[index - 1] = True
    return ends
