"""Logs that hold every episode of a small process as often as its probability says: estimates on them are exact."""

from collections.abc import Iterator
from itertools import product

import numpy as np

from mooring.data import Dataset, Discrete
from mooring.ope.tabular.model import TabularLogs
from mooring.ope.tabular.random_mdps import TabularMDP

BEHAVIOR = np.array([[0.5, 0.5], [0.25, 0.75]])
TARGET = np.array([[0.25, 0.75], [0.9, 0.1]])
DISCOUNT = 0.5


def process(horizon: int = 3) -> TabularMDP:
    """Two states, two actions, all probabilities multiples of 1/4; one action may terminate."""
    transition = np.array([[[0.5, 0.5], [0.25, 0.75]], [[0.75, 0.25], [0.25, 0.25]]])
    reward = np.arange(12.0).reshape(2, 2, 3) ** 2 / 8 - 5
    return TabularMDP(np.array([0.25, 0.75]), transition, reward, horizon, DISCOUNT)


def steps_from(mdp: TabularMDP, state: int, left: int) -> Iterator[tuple[float, list[tuple[int, int, float, int]]]]:
    """Each way that an episode may go on, with its probability: (state, action, reward, next; -1 where it ended)."""
    if left == 0:
        yield 1.0, []
        return
    for action, after in product(range(2), range(3)):
        chance = BEHAVIOR[state, action] * mdp.complete[state, action, after]
        step = (state, action, mdp.reward[state, action, after], after if after < 2 else -1)
        if chance:
            ways = steps_from(mdp, after, left - 1) if after < 2 else [(1.0, [])]
            yield from ((chance * rest, [step, *onward]) for rest, onward in ways)


def enumerated(horizon: int = 3, target: np.ndarray = TARGET) -> tuple[TabularMDP, TabularLogs]:
    """The process and its logs, with every probability times 4^(2 horizon + 1) as a count over its common divisor."""
    mdp = process(horizon)
    ways = [(mdp.start[s] * chance, way) for s in range(2) for chance, way in steps_from(mdp, s, horizon)]
    counts = np.array([chance for chance, _ in ways]) * 4 ** (2 * horizon + 1)
    assert (counts == counts.round()).all()
    counts = (counts / np.gcd.reduce(counts.astype(int))).astype(int)
    rows = [
        (*step, i == len(way) - 1)
        for count, (_, way) in zip(counts, ways, strict=True)
        for _ in range(count)
        for i, step in enumerate(way)
    ]
    state, action, reward, after, last = (np.array(column) for column in zip(*rows, strict=True))
    data = Dataset.build(
        obs=state.astype(np.int32),
        action=action.astype(np.int32),
        reward=reward,
        terminated=after < 0,
        truncated=last & (after >= 0),
        next_obs=np.where(after < 0, state, after).astype(np.int32),
        extra={"action_log_prob": np.log(BEHAVIOR[state, action])},
        obs_space=Discrete(2),
        action_space=Discrete(2),
    )
    return mdp, mdp.logs(data, target)


def single_rows(discount: float) -> tuple[TabularMDP, Dataset]:
    """Episodes of one row each, that hold each pair's next states as often as their probabilities say."""
    mdp = process()
    rows = [
        (s, a, mdp.reward[s, a, after], after)
        for s, a, after in product(range(2), range(2), range(3))
        for _ in range(round(16 * BEHAVIOR[s, a] * mdp.complete[s, a, after]))
    ]
    state, action, reward, after = (np.array(column) for column in zip(*rows, strict=True))
    data = Dataset.build(
        obs=state.astype(np.int32),
        action=action.astype(np.int32),
        reward=reward,
        terminated=after == 2,
        truncated=after != 2,
        next_obs=np.where(after == 2, state, after).astype(np.int32),
        extra={"action_log_prob": np.log(BEHAVIOR[state, action])},
        obs_space=Discrete(2),
        action_space=Discrete(2),
    )
    return mdp, data
