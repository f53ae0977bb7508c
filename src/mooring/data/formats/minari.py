"""Minari data sets (Farama Foundation), by name or by folder.

Each episode holds one observation more than actions. Dicts of vectors, images and integers are read; deeper nesting is
not. Extra columns are written to `infos`, a row later, as Gymnasium's step gives them; `infos` of others are left
out. Images are written as they are, not as JPEG, which needs Minari 0.5.4. What Minari has no place for is JSON under
"mooring" in its metadata.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np

from mooring.data import catalog
from mooring.data.dataset import Dataset
from mooring.data.episodes import Episode, to_episodes
from mooring.data.formats import meta, names
from mooring.data.spaces import Bounds, Discrete, ObsSpace, actions_of, observations_of
from mooring.errors import BadInput, missing_extra

META = "mooring"
DAMAGED = (OSError, RuntimeError, ValueError, LookupError, TypeError, AttributeError, AssertionError)
"""What Minari, h5py and Gymnasium raise where a folder is not whole."""


def recognizes(names: Collection[str]) -> bool:
    return bool({"data", "metadata.json"} & {*names})


def read(source: Path | str, **given: Any) -> Dataset:
    """The data set of that name (a string) in Minari's own folder, or the one in a folder (a path).

    Environment, spaces and reference scores come from the data set, unless `given` (what `Dataset.build` takes
    beside columns) gives them. Raises BadInput, also where Minari is not installed.
    """
    where = f"minari:{source}" if isinstance(source, str) else str(source)
    minari = _package(where)
    try:
        stored = _opened(source, minari)
        added = stored.storage.metadata.get(META, {})
        episodes = _episodes(stored, added.get("infos", ()))
    except DAMAGED as error:
        found = f"is not a readable Minari data set ({type(error).__name__}: {error})"
        raise BadInput(where, found, fix="minari list local") from error
    env = stored.env_spec.id if stored.env_spec else None
    known = {
        "name": stored.id,
        "env": env,
        "score_range": _score_range(stored) or (catalog.score_range_of_env(env) if env else None),
        "horizon": stored.env_spec.max_episode_steps if stored.env_spec else None,
        "obs_space": observations_of(stored.observation_space),
        "action_space": actions_of(stored.action_space),
    }
    if "meta" in added:
        known |= meta.from_json(added["meta"], where)
    return names.built(names.joined(episodes, where), Path(stored.id), where, known, given)


def write(data: Dataset, path: Path) -> None:
    """A folder that Minari opens, and that `read` turns into an equal data set."""
    minari = _package(str(path))
    from gymnasium import error, spec
    from minari.data_collector import EpisodeBuffer
    from minari.dataset.minari_storage import MinariStorage

    try:
        env_spec = spec(data.env) if data.env else None
    except (error.Error, ImportError):  # not an environment that is installed here
        env_spec = None
    path.mkdir()
    storage = MinariStorage.new(
        path / "data",
        observation_space=_gymnasium(data.obs_space),
        action_space=_gymnasium(data.action_space),
        env_spec=env_spec,
        jpeg_encoding=False,
    )
    episodes = to_episodes(data)
    added = {"meta": meta.to_json(data), "infos": sorted(episodes[0].extra)}
    storage.update_metadata({"dataset_id": _id(data.name, path), "minari_version": minari.__version__, META: added})
    if data.score_range:
        storage.update_metadata(dict(zip(("ref_min_score", "ref_max_score"), data.score_range, strict=True)))
    storage.update_episodes(EpisodeBuffer(**_buffer(each)) for each in episodes)


def place(name: str) -> Path:
    """The folder of a data set by its name, in Minari's own folder. Raises BadInput."""
    _package(f"minari:{name}")
    from minari.storage.datasets_root_dir import get_dataset_path

    if _id(name, Path(name)) != name:
        raise BadInput(f"minari:{name}", "is not a name for a Minari data set", "such as mine/pendulum-v0")
    return Path(get_dataset_path(name))


def _package(where: str) -> Any:
    try:
        import minari
    except ImportError as error:
        raise missing_extra("minari", "minari", where) from error
    return minari


def _opened(source: Path | str, minari: Any) -> Any:
    if isinstance(source, str):
        return minari.load_dataset(source)
    return minari.MinariDataset(source / "data" if (source / "data").is_dir() else source)


def _episodes(stored: Any, infos: Collection[str]) -> list[Episode]:
    start = int(getattr(stored.action_space, "start", 0))
    return [
        Episode(
            obs=each.observations,
            action=each.actions - start if start else each.actions,
            reward=each.rewards,
            terminated=bool(each.terminations[-1]),
            extra={name: each.infos[name][1:] for name in infos},
        )
        for each in stored.iterate_episodes()
    ]


def _buffer(episode: Episode) -> dict[str, Any]:
    """What Minari's EpisodeBuffer takes."""
    last = np.arange(len(episode.action)) == len(episode.action) - 1
    return {
        "observations": episode.obs,
        "actions": episode.action,
        "rewards": episode.reward,
        "terminations": last & episode.terminated,
        "truncations": last & (not episode.terminated),
        "infos": {name: np.pad(c, [(1, 0)] + [(0, 0)] * (c.ndim - 1)) for name, c in episode.extra.items()},
    }


def _id(name: str, path: Path) -> str:
    """A data set's id: its name where the folder is called so, else the folder's, with a version."""
    wanted = name if name.rpartition("/")[2] == path.name else path.name
    plain = re.sub(r"[^\w/-]+", "-", wanted).strip("/-")
    return plain if re.search(r"-v\d+$", plain) else f"{plain}-v0"


def _gymnasium(space: ObsSpace) -> Any:
    """A space of ours in Gymnasium's words."""
    from gymnasium import spaces

    if isinstance(space, dict):
        return spaces.Dict({part: _gymnasium(space[part]) for part in space})
    if isinstance(space, Discrete):
        return spaces.Discrete(space.n)
    if isinstance(space, Bounds):
        return spaces.Box(space.low, space.high, dtype=np.float32)
    return spaces.Box(0, 255, space.shape, np.uint8)


def _score_range(stored: Any) -> tuple[float, float] | None:
    ends = [stored.storage.metadata.get(name) for name in ("ref_min_score", "ref_max_score")]
    return None if None in ends else (float(ends[0]), float(ends[1]))
