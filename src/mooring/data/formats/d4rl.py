"""HDF5 files in the layout of D4RL (Fu et al. 2020, arXiv:2004.07219), read with h5py alone.

`terminals` marks where the MDP ended and `timeouts` where the log of an episode ended otherwise; an episode ends at
either. The last episode, cut off by the end of the file, is kept. Files without `next_observations` get them
from the following row, and lose the rows that none follows (see `Dataset.build`), as d4rl.qlearning_dataset does.
Files without `timeouts` (v0) are cut by a step counter at the time limit, else where `next_observations` and the
next row disagree. Rewards are as stored. Some families need more (facts from D4RL's repository, the files and issues
named); they are known by the file's or the catalog's name:

- maze2d: one long walk between goals that never terminates. `timeouts` marks goals reached, at any step, and files
  straight from scripts/generation/generate_maze2d_datasets.py mark them in `terminals`: both cut, neither
  terminates (issue 85). A row's reward says whether its own obs is at the goal, a step late (issue 194).
- antmaze: rewards are 0 and 1, and rows at the goal are terminal (scripts/generation/relabel_antmaze_rewards.py), so
  that an ant that stays there makes episodes of one step. In v0 `timeouts` misses resets (issue 77): an episode ends
  too where the ant jumps by more than 5, as in scripts/check_antmaze_datasets.py. IQL trains on rewards less 1.
- adroit: demonstrations end in `timeouts`, at any length (scripts/generation/hand_dapg_demos.py).
- kitchen: there are no `timeouts`, and `terminals` ends each demonstration, done or not, at any length: nothing else
  cuts. Rewards count the subtasks that are solved, at every step; an environment's return counts each only once
  (scripts/generation/generate_kitchen_datasets.py), so that returns of the data are no scores.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from mooring.data import catalog
from mooring.data.dataset import Dataset
from mooring.data.formats import meta, names
from mooring.data.formats.hdf5 import DAMAGED, arrays_of, store, text_of
from mooring.data.validation import rows_with
from mooring.errors import BadInput

COLUMNS = ("observations", "actions", "rewards", "terminals", "next_observations", "timeouts")
REQUIRED = COLUMNS[:4]
RENAMED = {"action_log_probs": "action_log_prob"}
META = "metadata/mooring"
JUMP = 5.0  # an ant moves less than one unit per step; its mazes' cells are 4 wide


def recognizes(names: Collection[str]) -> bool:
    return {*REQUIRED} <= {*names}


def read(path: Path, **given: Any) -> Dataset:
    """The data set in a file; its further columns (`infos/` and others with numbers in each row) become `extra`.

    What D4RL's catalog knows of the file's name, or of the environment its metadata names, fills what `given` (what
    `Dataset.build` takes beside columns) leaves out. `infos/action_log_probs` is called action_log_prob. Raises
    BadInput.
    """
    where = str(path)
    try:
        with h5py.File(path, "r") as file:
            _check(file, where)
            columns = {name: file[name][()] for name in COLUMNS if name in file}
            extra, env, text = _extra_columns(file), text_of(file, "metadata/env"), text_of(file, META)
    except DAMAGED as error:
        raise BadInput(where, f"is not a readable HDF5 file ({error})", "a whole file") from error
    stored = meta.from_json(text, where) if text else {"env": env} if env else {}
    known = catalog.defaults(path.stem, given.get("env") or env) | given
    if not text:  # what Mooring wrote has its ends right
        _mend_ends(columns, f"{path.stem} {known['name']}".lower(), known.get("horizon"), where)
    found = {
        "obs": columns["observations"],
        "action": columns["actions"],
        "reward": columns["rewards"],
        "terminated": columns["terminals"],
        "truncated": columns.get("timeouts"),
        "next_obs": columns.get("next_observations"),
        "continues": extra.pop("continues", None),
        "extra": extra,
    }
    return names.built(found, path, where, stored, given)


def write(data: Dataset, path: Path) -> None:
    """A file in D4RL's layout; extra columns are `infos/`, and what D4RL has no place for is JSON in `metadata/`."""
    if isinstance(data.obs, dict):
        raise BadInput(
            data.name, "has dict observations, which D4RL's layout can not hold", fix="choose npz, hdf5 or minari"
        )
    terminated = data.continues == 0
    shorter = {ours: theirs for theirs, ours in RENAMED.items()}
    with h5py.File(path, "w") as file:
        for name, column in {
            "observations": data.obs,
            "actions": data.action,
            "rewards": data.reward,
            "terminals": terminated,
            "timeouts": data.last & ~terminated,
            "next_observations": data.next_obs,
            **{f"infos/{shorter.get(name, name)}": column for name, column in data.extra.items()},
            **({} if (data.continues == ~terminated).all() else {"infos/continues": data.continues}),
        }.items():
            store(file, name, column)
        file[META] = meta.to_json(data)
        if data.env:
            file["metadata/env"] = data.env


def _check(file: h5py.File, where: str) -> None:
    missing = [name for name in REQUIRED if not isinstance(file.get(name), h5py.Dataset)]
    if missing:
        found = f"lacks {', '.join(missing)} (it holds {', '.join(list(file)[:8]) or 'nothing'})"
        raise BadInput(where, found, "the layout of D4RL: " + ", ".join(REQUIRED))
    for name in COLUMNS:
        if name in file and not (file[name].ndim and file[name].dtype.kind in "biuf"):
            found = f"{name} has shape {file[name].shape} and dtype {file[name].dtype}"
            raise BadInput(where, found, "numbers, one row per step")


def _extra_columns(file: h5py.File) -> dict[str, np.ndarray]:
    """Numbers with one row per step, beside the known columns."""
    found = arrays_of(file, but=(*COLUMNS, "metadata"))
    rows = len(file["rewards"])
    return {
        RENAMED.get(name.removeprefix("infos/"), name.removeprefix("infos/")): column
        for name, column in found.items()
        if len(column) == rows
    }


def _mend_ends(columns: dict[str, np.ndarray], name: str, limit: int | None, where: str) -> None:
    """`terminals` and `timeouts` as the file's family means them; see the module's docstring."""
    if len({len(columns[each]) for each in (*REQUIRED, "timeouts") if each in columns}) > 1:
        return  # `Dataset.build` says which
    terminals = columns["terminals"].reshape(-1) != 0
    timeouts = columns["timeouts"].reshape(-1) != 0 if "timeouts" in columns else None
    if "maze2d" in name:
        columns["timeouts"] = terminals if timeouts is None else terminals | timeouts
        columns["terminals"] = np.zeros_like(terminals)
    elif "kitchen" in name and timeouts is None:
        columns["timeouts"] = np.zeros_like(terminals)
    elif ("antmaze" in name or "ant_maze" in name) and timeouts is not None:
        columns["timeouts"] = timeouts | _jumps(columns["observations"])
    elif timeouts is None:
        columns["timeouts"] = _missing_timeouts(columns, terminals, limit, where)


def _jumps(obs: np.ndarray) -> np.ndarray:
    """Rows after which the ant is elsewhere at once: it was reset."""
    moved = np.linalg.norm(np.diff(obs.reshape(len(obs), -1)[:, :2], axis=0), axis=1)
    return np.append(moved > JUMP, False)


def _missing_timeouts(
    columns: dict[str, np.ndarray], terminals: np.ndarray, limit: int | None, where: str
) -> np.ndarray:
    """Where time limits must have been, in a file that does not say."""
    if limit is not None:
        return _count_to(limit, terminals)
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
