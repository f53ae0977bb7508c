"""A folder with one npz file per episode of T steps, each with T + 1 rows, as replay buffers write them.

- V-D4RL (Lu et al. 2022, arXiv:2206.04779) keeps DreamerV2's names: `image`, `action`, `reward`, `discount`,
  `is_first`, `is_last`, `is_terminal`. A row's action, reward and discount are those that led to it, so that the
  first row's mean nothing (conglu1997/v-d4rl:conversion_scripts, drqbc/numpy_replay_buffer.py). Buffers with
  `observation` and without `is_first` are read alike.
- RL Unplugged (Gulcehre et al. 2020, arXiv:2006.13888) is published as RLDS: `observation` and the same flags. There a
  row's action, reward and discount follow it, so that the last row's mean nothing (google-research/rlds).

uint8 stays uint8. An episode terminated where `is_terminal`, or else a discount of 0, says so. Data sets whose
observations are images are written in the first form, others in the second, with parts of dicts as
"observation/part". `discount` is `continues`, other arrays are extra columns, and `mooring.json` holds all else.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np

from mooring.data.dataset import Dataset
from mooring.data.episodes import Episode, to_episodes
from mooring.data.formats import meta, names
from mooring.data.formats.npz import arrays_of, write_arrays
from mooring.errors import BadInput

META = "mooring.json"
FLAGS = ("is_first", "is_last", "is_terminal")


def recognizes(names: Collection[str]) -> bool:
    return any(name.endswith(".npz") for name in names)


def read(path: Path, **given: Any) -> Dataset:
    """The data set in a folder, in the order of its files' names. Raises BadInput."""
    where = str(path)
    files = sorted(path.glob("*.npz")) if path.is_dir() else []
    if not files:
        raise BadInput(where, "is not a folder with .npz files", "one for each episode")
    text = (path / META).read_text(encoding="utf-8", errors="replace") if (path / META).is_file() else ""
    episodes = [_episode(arrays_of(file, str(file)), str(file)) for file in files]
    return names.built(names.joined(episodes, where), path, where, meta.from_json(text, where) if text else {}, given)


def write(data: Dataset, path: Path) -> None:
    """A folder that `read` turns into an equal data set; files are named as V-D4RL's, by number and rows."""
    path.mkdir()
    (path / META).write_text(meta.to_json(data), encoding="utf-8")
    for number, episode in enumerate(to_episodes(data)):
        rows = len(episode.action) + 1
        write_arrays(_rows(episode), path / f"episode-{number:07}-{rows}.npz")


def _episode(arrays: dict[str, np.ndarray], where: str) -> Episode:
    obs = _observations(arrays, where)
    missing = [name for name in ("action", "reward") if name not in arrays or not arrays[name].ndim]
    if missing or not {"is_terminal", "discount"} & arrays.keys():
        found = f"lacks {', '.join(missing) or 'is_terminal and discount'} (it holds {', '.join(sorted(arrays)[:8])})"
        raise BadInput(where, found, "action, reward, is_terminal or discount")
    rows = len(arrays["reward"])
    if rows < 2:
        raise BadInput(where, f"reward has {rows} rows", "one more than steps")
    follows = "image" not in arrays and "is_first" in arrays
    cut = slice(None, -1) if follows else slice(1, None)
    columns = {name: column[cut] for name, column in arrays.items() if column.ndim and len(column) == rows}
    discount = columns.pop("discount", None)
    ends = arrays.get("is_terminal", discount is not None and discount == 0)
    extra = {name: c for name, c in columns.items() if name not in ("action", "reward", *FLAGS) and not _is_obs(name)}
    if discount is not None and ((discount != 0) & (discount != 1)).any():
        extra["continues"] = discount
    terminated = bool(np.ravel(ends)[-1:].any())
    return Episode(obs, columns.get("action", arrays["action"]), columns["reward"], terminated, extra)


def _is_obs(name: str) -> bool:
    return name in ("image", "observation") or name.startswith("observation/")


def _observations(arrays: dict[str, np.ndarray], where: str) -> Any:
    found = {name: arrays[name] for name in arrays if _is_obs(name) and arrays[name].ndim}
    if not found:
        raise BadInput(where, f"has no observations (it holds {', '.join(sorted(arrays)[:8])})", "image or observation")
    parts = {name.removeprefix("observation/"): part for name, part in found.items() if "/" in name}
    return parts or arrays.get("image", found.get("observation"))


def _rows(episode: Episode) -> dict[str, np.ndarray]:
    """An episode's arrays, each with T + 1 rows; the row that means nothing is zeros."""
    obs, steps = episode.obs, len(episode.action)
    arrives = not isinstance(obs, dict) and obs.ndim == 4
    continues = np.ones(steps, np.float32)
    continues[-1] = not episode.terminated
    columns = {"action": episode.action, "reward": episode.reward, "discount": continues} | dict(episode.extra)
    if "continues" in episode.extra:
        columns["discount"] = columns.pop("continues")
    padding = (1, 0) if arrives else (0, 1)
    padded = {name: np.pad(c, [padding] + [(0, 0)] * (c.ndim - 1)) for name, c in columns.items()}
    named = {f"observation/{part}": obs[part] for part in obs} if isinstance(obs, dict) else {}
    row = np.arange(steps + 1)
    flags = {"is_first": row == 0, "is_last": row == steps, "is_terminal": (row == steps) & episode.terminated}
    return (named or {"image" if arrives else "observation": obs}) | padded | flags
