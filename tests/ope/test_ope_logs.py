"""Logs side by side: episodes of unlike length, groups, blocks of a stream."""

import numpy as np
import pytest
from scipy import stats

from mooring.data import Dataset
from mooring.errors import BadInput
from mooring.evaluation.statistics import Estimate
from mooring.ope.contributions import Contributions
from mooring.ope.intervals import student_t
from mooring.ope.logs import Logs, in_blocks


def stream(rewards: np.ndarray, lengths: tuple[int, ...] | None = None) -> Dataset:
    rows = len(rewards)
    truncated = np.zeros(rows, bool)
    truncated[np.cumsum(lengths or (rows,)) - 1] = True
    obs = np.zeros((rows, 1))
    return Dataset.build(obs, np.zeros(rows, int), rewards, np.zeros(rows, bool), truncated, next_obs=obs)


def test_episodes_stand_side_by_side() -> None:
    logs = Logs.of(stream(np.arange(5.0), (2, 3)), 0.5)
    np.testing.assert_array_equal(logs.reward, [[0, 1, 0], [2, 3, 4]])
    np.testing.assert_array_equal(logs.so_far, [[1, 0.5, 0.25], [1, 0.5, 0.25]])
    np.testing.assert_array_equal(logs.returns, [0.5, 2 + 1.5 + 1])
    assert logs.cut_off.all()


def test_a_stream_is_cut_into_blocks_and_its_rest_joins_the_last() -> None:
    np.testing.assert_array_equal(in_blocks(stream(np.zeros(8)), 3).lengths, [3, 5])
    np.testing.assert_array_equal(in_blocks(stream(np.zeros(9), (7, 2)), 2).lengths, [2, 2, 3, 2])
    for length in (5, 0):
        with pytest.raises(BadInput, match=f"8 rows in blocks of {length}"):
            in_blocks(stream(np.zeros(8)), length)


def test_blocks_cover_the_mean_of_a_stream_where_rows_do_not() -> None:
    def interval(data: Dataset) -> Estimate:
        logs = Logs.of(data, 1.0)
        return student_t(Contributions.weighted(logs.returns / logs.present.sum(1), logs.present.sum(1).astype(float)))

    rng = np.random.default_rng(0)
    covered = {"rows": 0, "blocks": 0}
    for _ in range(200):
        noise = rng.normal(size=2000)
        reward = np.empty(2000)
        reward[0] = noise[0] / np.sqrt(1 - 0.9**2)
        for t in range(1, 2000):
            reward[t] = 0.9 * reward[t - 1] + noise[t]
        by_row = stats.t.interval(0.95, 1999, reward.mean(), stats.sem(reward))
        blocks = interval(in_blocks(stream(reward), 100))
        covered["rows"] += by_row[0] <= 0 <= by_row[1]
        covered["blocks"] += blocks.low <= 0 <= blocks.high
    assert covered["blocks"] / 200 >= 0.88
    assert covered["rows"] / 200 <= 0.5
