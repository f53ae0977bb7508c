"""Minari data sets (Farama Foundation), by name or by folder.

Each episode holds one observation more than actions. Dicts of vectors, images and integers are read; deeper nesting is
not. `infos` are left out.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mooring.data import catalog
from mooring.data.dataset import Dataset
from mooring.data.episodes import Episode
from mooring.data.spaces import actions_of, observations_of
from mooring.errors import BadInput, missing_extra


def read(source: Path | str, **meta: Any) -> Dataset:
    """The data set of that name (a string) in Minari's own folder, or the one in a folder (a path).

    Environment, spaces and reference scores come from the data set, unless `meta` (what `Dataset.build` takes
    beside columns) gives them. Raises BadInput, also where Minari is not installed.
    """
    where = f"minari:{source}" if isinstance(source, str) else str(source)
    stored = _opened(source, where)
    start = int(getattr(stored.action_space, "start", 0))
    episodes = [_episode(each, start) for each in stored.iterate_episodes()]
    env = stored.env_spec.id if stored.env_spec else None
    known = {
        "name": stored.id,
        "env": env,
        "score_range": _score_range(stored) or (catalog.score_range_of_env(env) if env else None),
        "horizon": stored.env_spec.max_episode_steps if stored.env_spec else None,
        "obs_space": observations_of(stored.observation_space),
        "action_space": actions_of(stored.action_space),
    }
    return Dataset.from_episodes(episodes, where=where, **(known | meta))


def _opened(source: Path | str, where: str) -> Any:
    try:
        import minari
    except ImportError as error:
        raise missing_extra("minari", "minari", where) from error
    try:
        if isinstance(source, str):
            return minari.load_dataset(source)
        return minari.MinariDataset(source / "data" if (source / "data").is_dir() else source)
    except (OSError, ValueError, KeyError) as error:
        raise BadInput(where, f"is not a readable Minari data set ({error})", fix="minari list local") from error


def _episode(stored: Any, start: int) -> Episode:
    return Episode(
        obs=stored.observations,
        action=stored.actions - start if start else stored.actions,
        reward=stored.rewards,
        terminated=bool(stored.terminations[-1]),
    )


def _score_range(stored: Any) -> tuple[float, float] | None:
    ends = [stored.storage.metadata.get(name) for name in ("ref_min_score", "ref_max_score")]
    return None if None in ends else (float(ends[0]), float(ends[1]))
