"""Small logs whose faults, if any, are known."""

import numpy as np

from mooring.data import Dataset
from mooring.data.audit import CHECKS

ROWS = 60
FIND = {check.name: check.find for check in CHECKS}


def walk(**changes) -> Dataset:
    """Six sound episodes of ten steps: three terminated (at 7, 10 and 10), the others at a limit of ten."""
    rng = np.random.default_rng(0)
    obs = rng.normal(size=(ROWS, 3)).astype(np.float32)
    last = np.arange(ROWS) % 10 == 9
    next_obs = np.roll(obs, -1, axis=0)
    next_obs[last] = rng.normal(size=(last.sum(), 3))
    terminated = np.isin(np.arange(ROWS), [19, 6, 49])
    columns = {
        "obs": obs,
        "action": rng.uniform(-0.9, 0.9, (ROWS, 2)),
        "reward": rng.normal(size=ROWS),
        "terminated": terminated,
        "truncated": last & ~terminated,
        "next_obs": next_obs,
    }
    return Dataset.build(**(columns | changes))


def with_entry(column: np.ndarray, place, value) -> np.ndarray:
    changed = column.copy()
    changed[place] = value
    return changed


def found(check: str, data: Dataset) -> list[str]:
    """The levels above "pass" that one check finds."""
    return [finding.level for finding in FIND[check](data) if finding.level != "pass"]


def only(check: str, data: Dataset):
    """The one finding of a check."""
    (finding,) = FIND[check](data)
    return finding


def drift(
    noise: float, episodes: int = 60, length: int = 40, gains: tuple[float, ...] = (0.5,), seed: int = 0
) -> Dataset:
    """A point that actions push, steered to the origin by one of several gains per episode, with noise."""
    rng = np.random.default_rng(seed)
    states, taken = [], []
    for episode in range(episodes):
        gain, state = gains[episode % len(gains)], rng.normal(size=2)
        for _ in range(length):
            action = np.clip(-gain * state + noise * rng.normal(size=2), -1, 1)
            states.append(state)
            taken.append(action)
            state = state + 0.3 * action + 0.05 * rng.normal(size=2)
        states.append(state)
    whole = np.reshape(states, (episodes, length + 1, 2))
    truncated = np.arange(episodes * length) % length == length - 1
    reward = -np.abs(whole[:, 1:]).sum(axis=2).reshape(-1)
    columns = whole[:, :-1].reshape(-1, 2), np.array(taken), reward, np.zeros(episodes * length), truncated
    return Dataset.build(*columns, next_obs=whole[:, 1:].reshape(-1, 2))
