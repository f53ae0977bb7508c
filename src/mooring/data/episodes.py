"""`Episode`: one episode as it was lived, with one observation more than actions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from mooring.data.validation import parts, rows_with
from mooring.errors import BadInput

if TYPE_CHECKING:
    from mooring.data.dataset import Dataset


@dataclass(frozen=True, eq=False)
class Episode:
    """T steps: `obs` has T + 1 rows (an array, or a dict of arrays), every other column has T.

    `terminated` says whether the MDP ended after the last step; else a time limit or the log's end cut it off.
    """

    obs: Any
    action: Any
    reward: Any
    terminated: bool
    extra: Mapping[str, Any] = field(default_factory=dict)


def flat_columns(episodes: Sequence[Episode], where: str) -> dict[str, Any]:
    """The columns of all episodes, end to end, by the names that `Dataset.build` takes.

    Raises BadInput where an episode's columns are not aligned, or where episodes differ in their columns.
    """
    if not episodes:
        raise BadInput(where, "no episodes", "at least one")
    for number, episode in enumerate(episodes):
        _check_alignment(episode, episodes[0], f"{where}, episode {number}")
    ends = np.cumsum([len(episode.action) for episode in episodes]) - 1
    terminated = np.zeros(ends[-1] + 1, bool)
    terminated[ends] = [episode.terminated for episode in episodes]
    truncated = np.zeros_like(terminated)
    truncated[ends] = ~terminated[ends]
    return {
        "obs": _joined([_each(episode.obs, lambda part: part[:-1]) for episode in episodes]),
        "next_obs": _joined([_each(episode.obs, lambda part: part[1:]) for episode in episodes]),
        "action": _joined([episode.action for episode in episodes]),
        "reward": _joined([episode.reward for episode in episodes]),
        "terminated": terminated,
        "truncated": truncated,
        "extra": {name: _joined([episode.extra[name] for episode in episodes]) for name in episodes[0].extra},
    }


def to_episodes(data: Dataset) -> list[Episode]:
    """The episodes of a data set, as they were lived.

    An episode is cut where a row's next_obs is not the following row's obs, so that each transition stays as it is.
    Where `continues` is not 0 or 1 it is one of `extra`.
    """
    terminated = data.continues == 0
    extra = data.extra if (data.continues == ~terminated).all() else {**data.extra, "continues": data.continues}
    ends = np.union1d(data.ends, broken_rows(data))
    starts = np.append(0, ends[:-1] + 1)
    return [
        Episode(
            obs=_beside(data.obs, data.next_obs, start, end),
            action=data.action[start : end + 1],
            reward=data.reward[start : end + 1],
            terminated=bool(terminated[end]),
            extra={name: column[start : end + 1] for name, column in extra.items()},
        )
        for start, end in zip(starts.tolist(), ends.tolist(), strict=True)
    ]


def broken_rows(data: Dataset) -> np.ndarray:
    """Rows within an episode whose next_obs is not the following row's obs."""
    inner = np.flatnonzero(~data.last)
    following = parts(data.obs)
    differs = [rows_with(array[inner] != following[part][inner + 1]) for part, array in parts(data.next_obs).items()]
    return inner[np.unique(np.concatenate(differs))]


def _beside(obs: Any, next_obs: Any, start: int, end: int) -> Any:
    """The observations of rows start to end, and the one after."""
    if isinstance(obs, Mapping):
        return {part: _beside(obs[part], next_obs[part], start, end) for part in obs}
    return np.concatenate([obs[start : end + 1], next_obs[end : end + 1]])


def _check_alignment(episode: Episode, first: Episode, where: str) -> None:
    steps = len(episode.action)
    if not steps:
        raise BadInput(where, "no steps", "at least one action")
    parts = episode.obs if isinstance(episode.obs, Mapping) else {"": episode.obs}
    wanted = first.obs if isinstance(first.obs, Mapping) else {"": first.obs}
    if set(parts) != set(wanted) or set(episode.extra) != set(first.extra):
        raise BadInput(where, "its columns differ from those of episode 0", "the same columns in each")
    for name, part in parts.items():
        if len(part) != steps + 1:
            label = f"obs[{name}]" if name else "obs"
            found = f"{label} has {len(part)} rows for {steps} actions"
            raise BadInput(where, found, f"{steps + 1}: one before each action and one after the last")
    for name, column in {"reward": episode.reward, **episode.extra}.items():
        if len(column) != steps:
            raise BadInput(where, f"{name} has {len(column)} rows for {steps} actions", "one per action")


def _each(obs: Any, cut: Callable[[np.ndarray], np.ndarray]) -> Any:
    if isinstance(obs, Mapping):
        return {name: cut(np.asarray(part)) for name, part in obs.items()}
    return cut(np.asarray(obs))


def _joined(columns: list[Any]) -> Any:
    if isinstance(columns[0], Mapping):
        return {name: _joined([column[name] for column in columns]) for name in columns[0]}
    return np.concatenate([np.asarray(column) for column in columns])
