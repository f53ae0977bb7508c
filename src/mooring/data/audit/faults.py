"""Known misreadings, put into sound data: what the auditor is tried with, and what a reader of one's own can be.

SILENT holds seven that libraries have made without a word; MORE are others that the auditor knows. Each is a function
from a `Dataset` to one that is wrong in that way, or to None where the data holds nothing that could be misread so.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from mooring.data.dataset import Dataset
from mooring.data.spaces import Bounds, Discrete
from mooring.data.validation import Obs, parts

LEVELS = 11  # whole numbers that an amount is rounded to


@dataclass(frozen=True)
class Fault:
    """What goes wrong, the checks of which at least one has to object, and how it is done."""

    words: str
    checks: tuple[str, ...]
    inject: Callable[[Dataset], Dataset | None]


def limits_as_terminals(data: Dataset) -> Dataset | None:
    cut = data.last & (data.continues > 0)
    cut[-1] = False
    return replace(data, continues=np.where(cut, np.float32(0), data.continues)) if cut.sum() > 1 else None


def terminals_as_limits(data: Dataset) -> Dataset | None:
    return replace(data, continues=np.ones_like(data.continues)) if (data.continues == 0).sum() > 2 else None


def next_episode_at_ends(data: Dataset) -> Dataset | None:
    """next_obs is the following row's obs, and next_action its action, whether or not an episode ends between."""
    if data.num_episodes < 3:
        return None
    extra = {**data.extra, "next_action": np.roll(data.action, -1, axis=0)}
    return replace(data, next_obs=_each(data.obs, lambda obs: np.roll(obs, -1, axis=0)), extra=extra)


def one_observation_more(data: Dataset) -> Dataset | None:
    """Observations of whole episodes, T + 1 of each, end to end beside T actions of each, and cut to as many rows."""
    if data.num_episodes < 4:
        return None
    rows = np.arange(len(data) + data.num_episodes)
    final = np.isin(rows, data.ends + 1 + np.arange(data.num_episodes))
    source = rows - np.cumsum(final)  # of an episode's final observation: its last row

    def longer(part: str) -> np.ndarray:
        obs, following = parts(data.obs)[part][source], parts(data.next_obs)[part][source]
        return np.where(final.reshape(-1, *(1,) * (obs.ndim - 1)), following, obs)[: len(data)]

    obs = {part: longer(part) for part in parts(data.obs)}
    terminated = data.continues == 0
    return Dataset.build(
        obs if isinstance(data.obs, dict) else obs[""],
        data.action,
        data.reward,
        terminated,
        data.last & ~terminated,
        action_space=data.action_space,
        name=data.name,
    )


def amounts_as_labels(data: Dataset) -> Dataset | None:
    if not isinstance(data.action_space, Bounds):
        return None
    low, high = data.action_space.low[0], data.action_space.high[0]
    labels = np.round((data.action[:, 0] - low) / (high - low) * (LEVELS - 1)).astype(np.int32)
    return replace(data, action=labels, action_space=Discrete(LEVELS))


def rewards_a_row_late(data: Dataset) -> Dataset | None:
    return replace(data, reward=np.roll(data.reward, 1)) if np.ptp(data.reward) else None


def rewards_a_row_early(data: Dataset) -> Dataset | None:
    return replace(data, reward=np.roll(data.reward, -1)) if np.ptp(data.reward) else None


def actions_a_row_late(data: Dataset) -> Dataset:
    return replace(data, action=np.roll(data.action, 1, axis=0))


def actions_a_row_early(data: Dataset) -> Dataset:
    return replace(data, action=np.roll(data.action, -1, axis=0))


def labels_as_amounts(data: Dataset) -> Dataset | None:
    if not isinstance(data.action_space, Discrete) or data.action_space.n < 2:
        return None
    amounts = data.action[:, None].astype(np.float32)
    return replace(data, action=amounts, action_space=Bounds.of(0, data.action_space.n - 1, 1))


def half_the_action(data: Dataset) -> Dataset | None:
    return replace(data, action=data.action / 2) if isinstance(data.action_space, Bounds) else None


def ends_lost(data: Dataset) -> Dataset | None:
    """Neither kind of end is marked, and next_obs is made from the following row."""
    if data.num_episodes < 4:
        return None
    nowhere = np.zeros(len(data), bool)
    return Dataset.build(data.obs, data.action, data.reward, nowhere, action_space=data.action_space, name=data.name)


def rows_shuffled(data: Dataset) -> Dataset:
    """Rows in random order beside marks of ends that stayed; next_obs went with its row."""
    order = np.random.default_rng(0).permutation(len(data))
    mixed = lambda array: array[order]
    obs, next_obs = _each(data.obs, mixed), _each(data.next_obs, mixed)
    return replace(data, obs=obs, next_obs=next_obs, action=data.action[order], reward=data.reward[order])


def own_as_next(data: Dataset) -> Dataset:
    return replace(data, next_obs=data.obs)


def two_rows_on_as_next(data: Dataset) -> Dataset:
    return replace(data, next_obs=_each(data.obs, lambda obs: np.roll(obs, -2, axis=0)))


def cast_to_bytes(data: Dataset) -> Dataset:
    wrapped = lambda array: array.astype(np.int64).astype(np.uint8).astype(np.float32)
    return replace(data, obs=_each(data.obs, wrapped), next_obs=_each(data.next_obs, wrapped))


def cast_to_half(data: Dataset) -> Dataset:
    halved = lambda array: array.astype(np.float16).astype(np.float32)
    return replace(data, obs=_each(data.obs, halved), next_obs=_each(data.next_obs, halved))


def episodes_twice(data: Dataset) -> Dataset | None:
    if data.num_episodes < 3:
        return None
    again = np.arange(max(1, data.num_episodes // 10))
    return data.select(np.concatenate([np.arange(data.num_episodes), again]))


def rewards_of_another_scale(data: Dataset) -> Dataset | None:
    return replace(data, reward=data.reward * 1000) if data.score_range else None


def action_in_obs(data: Dataset) -> Dataset | None:
    taken = data.action[:, :1] if data.action.ndim > 1 else data.action[:, None].astype(np.float32)
    return _with_entry(data, taken)


def return_in_obs(data: Dataset) -> Dataset | None:
    return _with_entry(data, data.column("return_to_go")[:, None])


def rows_after_the_end(data: Dataset) -> Dataset | None:
    """Each termination is followed by ten more rows of the terminal state, each terminated again."""
    if not (data.continues == 0).any():
        return None
    padded = np.repeat(np.arange(len(data)), np.where(data.continues == 0, 11, 1))
    added = np.append(False, padded[1:] == padded[:-1])
    following = parts(data.next_obs)
    obs = {part: array[padded] for part, array in parts(data.obs).items()}
    for part, array in obs.items():
        array[added] = following[part][padded[added]]
    return replace(
        data,
        obs=obs if isinstance(data.obs, dict) else obs[""],
        next_obs=_each(data.next_obs, lambda array: array[padded]),
        action=data.action[padded],
        reward=np.where(added, np.float32(0), data.reward[padded]),
        continues=data.continues[padded],
        last=data.last[padded],
        extra={name: column[padded] for name, column in data.extra.items()},
    )


def _each(column: Obs, change: Callable[[np.ndarray], np.ndarray]) -> Obs:
    if isinstance(column, dict):
        return {part: change(array) for part, array in column.items()}
    return change(column)


def _with_entry(data: Dataset, entry: np.ndarray) -> Dataset | None:
    """One entry more in observations that are one vector; next_obs holds the following row's."""
    if isinstance(data.obs, dict) or data.obs.ndim != 2:
        return None
    following = np.where(data.last[:, None], entry, np.roll(entry, -1, axis=0))
    obs, next_obs = np.hstack([data.obs, entry]), np.hstack([parts(data.next_obs)[""], following])
    return replace(data, obs=obs, next_obs=next_obs, obs_space=Bounds.unknown(obs.shape[1]))


SILENT = {
    "limits as terminals": Fault(
        "timeouts are taken for terminals, as by one flag 'done'", ("time limits as terminals",), limits_as_terminals
    ),
    "terminals as limits": Fault("terminals are taken for timeouts", ("terminals as cuts",), terminals_as_limits),
    "next episode at ends": Fault(
        "next_obs and next_action of an episode's last row are the next episode's first",
        ("next observation at ends", "next action"),
        next_episode_at_ends,
    ),
    "one observation more": Fault(
        "T + 1 observations of each episode are put end to end beside T actions", ("missed ends",), one_observation_more
    ),
    "amounts as labels": Fault(
        "amounts in whole numbers are taken for discrete actions", ("amounts as labels",), amounts_as_labels
    ),
    "rewards a row late": Fault("each row holds the reward of the row before", ("reward's row",), rewards_a_row_late),
    "actions a row late": Fault("each row holds the action of the row before", ("action's row",), actions_a_row_late),
}
MORE = {
    "rewards a row early": Fault("each row holds the reward of the row after", ("reward's row",), rewards_a_row_early),
    "actions a row early": Fault("each row holds the action of the row after", ("action's row",), actions_a_row_early),
    "labels as amounts": Fault("discrete actions are taken for numbers", ("labels as amounts",), labels_as_amounts),
    "half the action": Fault(
        "actions are scaled by a half, or normalized twice", ("bounds of actions",), half_the_action
    ),
    "ends lost": Fault("no end of an episode is marked", ("missed ends",), ends_lost),
    "rows shuffled": Fault("rows stand in random order", ("next observation", "order of rows"), rows_shuffled),
    "own as next": Fault("next_obs is the row's own obs", ("next observation", "motion"), own_as_next),
    "two rows on as next": Fault("next_obs is the obs two rows on", ("next observation",), two_rows_on_as_next),
    "cast to bytes": Fault("observations are cast to uint8", ("precision", "motion"), cast_to_bytes),
    "cast to half": Fault("observations are cast to float16", ("precision",), cast_to_half),
    "episodes twice": Fault(
        "a tenth of the episodes is there twice", ("repeated episodes", "repeated rows"), episodes_twice
    ),
    "rewards of another scale": Fault(
        "rewards are a thousand times those of the environment", ("known scores",), rewards_of_another_scale
    ),
    "action in obs": Fault("an entry of obs is the action", ("leaks",), action_in_obs),
    "return in obs": Fault("an entry of obs is the return to go", ("leaks",), return_in_obs),
    "rows after the end": Fault("ten rows follow each termination", ("rows after the end",), rows_after_the_end),
}
FAULTS = SILENT | MORE
