"""D4RL's HDF5 layout: small files with known answers, and real ones."""

from pathlib import Path

import h5py
import numpy as np
import pytest

from mooring.data.formats.d4rl import read
from mooring.errors import BadInput

ROWS = 6


def write(path: Path, **changes) -> Path:
    """Rows 0-1 terminated, 2-4 a time limit, 5 cut off by the end of the file; None leaves a column out."""
    obs = np.arange(ROWS, dtype=np.float32)[:, None]
    columns = {
        "observations": obs,
        "next_observations": obs + 0.5,
        "actions": np.linspace(-1, 1, ROWS, dtype=np.float32)[:, None],
        "rewards": np.arange(ROWS, dtype=np.float32),
        "terminals": np.array([0, 1, 0, 0, 0, 0], bool),
        "timeouts": np.array([0, 0, 0, 0, 1, 0], bool),
    } | changes
    with h5py.File(path, "w") as file:
        for name, column in columns.items():
            if column is not None:
                file[name] = column
    return path


def test_timeouts_end_episodes_and_are_no_terminals(tmp_path):
    data = read(write(tmp_path / "mine.hdf5"))
    assert data.continues.tolist() == [1, 0, 1, 1, 1, 1]
    assert data.last.tolist() == [False, True, False, False, True, True]
    assert data.returns.tolist() == [1, 9, 5]
    assert data.next_obs[:, 0].tolist() == [0.5, 1.5, 2.5, 3.5, 4.5, 5.5]
    assert data.name == "mine"


def test_without_next_observations_time_limits_lose_their_row(tmp_path):
    data = read(write(tmp_path / "mine.hdf5", next_observations=None))
    assert data.obs[:, 0].tolist() == [0, 1, 2, 3]
    assert data.next_obs[[0, 2, 3], 0].tolist() == [1, 3, 4]
    assert data.continues.tolist() == [1, 0, 1, 1]
    assert data.last.tolist() == [False, True, False, True]


def test_without_timeouts_a_counter_finds_the_time_limit(tmp_path):
    path = write(tmp_path / "mine.hdf5", timeouts=None)
    data = read(path, horizon=3)
    assert data.last.tolist() == [False, True, False, False, True, True]
    assert data.continues.tolist() == [1, 0, 1, 1, 1, 1]
    assert read(path, horizon=2).last.tolist() == [False, True, False, True, False, True]


def test_the_counter_does_not_call_a_terminal_row_a_time_limit(tmp_path):
    path = write(tmp_path / "mine.hdf5", timeouts=None, next_observations=None)
    data = read(path, horizon=2)  # row 1 is terminal and the second row of its episode
    assert data.obs[:, 0].tolist() == [0, 1, 2, 4]
    assert data.continues.tolist() == [1, 0, 1, 1]


def test_without_timeouts_and_limit_a_jump_ends_an_episode(tmp_path):
    obs = np.array([0.0, 1, 0, 1, 2, 0])[:, None]
    stored = np.array([1.0, 2, 1, 2, 3, 1])[:, None]
    data = read(write(tmp_path / "mine.hdf5", timeouts=None, observations=obs, next_observations=stored))
    assert data.last.tolist() == [False, True, False, False, True, True]
    with pytest.raises(BadInput, match="its time limit is not known; give horizon"):
        read(write(tmp_path / "mine.hdf5", timeouts=None, next_observations=None))
    with pytest.raises(BadInput, match="its time limit is not known; give horizon"):
        read(write(tmp_path / "mine.hdf5", timeouts=None, next_observations=obs[1:]))


def test_the_catalog_knows_the_limit_of_its_files(tmp_path):
    data = read(write(tmp_path / "hopper_medium-v2.hdf5", timeouts=None))
    assert data.name == "hopper-medium-v2"
    assert data.env == "Hopper-v5"
    assert data.score_range == (-20.272305, 3234.3)
    assert data.horizon == 1000
    assert data.num_episodes == 2


def test_the_environment_in_the_metadata(tmp_path):
    path = write(tmp_path / "mine.hdf5", **{"metadata/env": "Hopper-v4"})
    assert read(path).env == "Hopper-v4"
    assert read(path).score_range == (-20.272305, 3234.3)
    assert read(path, env="Mine-v0").env == "Mine-v0"


def test_further_columns_are_kept_by_name(tmp_path):
    extra = {
        "infos/action_log_probs": np.linspace(-1, 0, ROWS),
        "infos/qpos": np.zeros((ROWS, 2)),
        "infos/words": np.full(ROWS, b"no"),
        "infos/short": np.zeros(2),
        "weights": np.arange(ROWS),
    }
    data = read(write(tmp_path / "mine.hdf5", **extra))
    assert sorted(data.extra) == ["action_log_prob", "qpos", "weights"]
    assert data.extra["action_log_prob"].dtype == np.float32


def test_bad_files(tmp_path):
    with pytest.raises(BadInput, match=r"mine.hdf5: lacks rewards \(it holds actions, next_obs"):
        read(write(tmp_path / "mine.hdf5", rewards=None))
    whole = write(tmp_path / "whole.hdf5", observations=np.zeros((ROWS, 2000)), next_observations=None).read_bytes()
    cut = tmp_path / "cut.hdf5"
    for size in (len(whole) // 2, 10):
        cut.write_bytes(whole[:size])
        with pytest.raises(BadInput, match=r"cut.hdf5: is not a readable HDF5 file"):
            read(cut)
    rewards = np.arange(ROWS, dtype=float)
    rewards[3] = np.nan
    with pytest.raises(BadInput, match=r"nan.hdf5: reward holds NaN or infinity in 1 rows, first row 3"):
        read(write(tmp_path / "nan.hdf5", rewards=rewards))


@pytest.mark.parametrize(
    ("name", "rows", "whole_episodes", "mean", "best"),
    [
        ("hopper-replay", 150_000, 934, 452, 3149),
        ("hopper-random", 100_000, 4466, 18, None),
        ("hopper-medium", 100_000, 235, 1360, None),
        ("halfcheetah-mixed", 100_000, 100, 4791, None),
    ],
)
def test_real_files(real_data, name, rows, whole_episodes, mean, best):
    data = read(real_data / "d4rl_format" / f"{name}.hdf5")
    assert len(data) == rows
    cut_off = data.num_episodes - whole_episodes
    assert cut_off in (0, 1)
    returns = data.returns[:whole_episodes]
    assert returns.mean() == pytest.approx(mean, abs=1)
    assert best is None or returns.max() == pytest.approx(best, abs=1)
    assert data.horizon == 1000


def test_a_real_file_is_continuous_within_its_episodes(real_data):
    data = read(real_data / "d4rl_format" / "hopper-replay.hdf5")
    inner = np.flatnonzero(~data.last)
    np.testing.assert_array_equal(data.next_obs[inner], data.obs[inner + 1])
    across = data.ends[:-1]
    assert (data.next_obs[across] != data.obs[across + 1]).any(axis=1).all()
    assert (data.continues == 0).sum() == 930
    assert (data.lengths == 1000).sum() == 4


def test_shifting_a_real_file_gives_the_next_observations_that_it_stores(real_data):
    from mooring.data import Dataset

    data = read(real_data / "d4rl_format" / "hopper-replay.hdf5")
    terminated = data.continues == 0
    shifted = Dataset.build(data.obs, data.action, data.reward, terminated, data.last & ~terminated)
    kept = terminated | ~data.last
    going_on = shifted.continues == 1
    np.testing.assert_array_equal(shifted.next_obs[going_on], data.next_obs[kept][going_on])
    assert len(shifted) == 150_000 - 5
