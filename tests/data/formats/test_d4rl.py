"""D4RL's HDF5 layout: small files with known answers, and real ones."""

from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest

from mooring.data.formats import d4rl
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


def test_maze2d_never_terminates(tmp_path):
    """Its flags mark goals reached, whether they stand in timeouts or, as in generated files, in terminals."""
    data = read(write(tmp_path / "maze2d-umaze-sparse-v1.hdf5"))
    assert data.name == "maze2d-umaze-v1"
    assert data.continues.all()
    assert data.last.tolist() == [False, True, False, False, True, True]
    generated = read(write(tmp_path / "maze2d-mine.hdf5", timeouts=None, next_observations=None))
    assert generated.continues.all()
    assert generated.obs[:, 0].tolist() == [0, 2, 3, 4]  # nothing tells what followed rows 1 and 5


def test_antmaze_ends_where_the_ant_was_reset(tmp_path):
    position = np.array([[0.0, 0], [0.5, 0], [1, 0.5], [20, 0], [20, 0.5], [0, 0]])
    columns = {"observations": position, "next_observations": None, "timeouts": np.zeros(ROWS, bool)}
    terminals = np.zeros(ROWS, bool)
    data = read(write(tmp_path / "antmaze-mine.hdf5", **columns, terminals=terminals))
    assert data.obs[:, 0].tolist() == [0, 0.5, 20]  # rows 2 and 4 were followed by resets
    assert data.last.tolist() == [False, True, True]
    named = read(write(tmp_path / "Ant_maze_u-maze_noisy_multistart_False_multigoal_False_sparse.hdf5", **columns))
    assert named.name == "antmaze-umaze-v0"
    assert len(read(write(tmp_path / "mine.hdf5", **columns, terminals=terminals))) == 5  # no ant: one walk


def test_antmaze_rewards_and_terminals_at_the_goal_stay(tmp_path):
    at_goal = np.array([0, 1, 1, 0, 0, 0], bool)
    data = read(write(tmp_path / "antmaze-mine.hdf5", terminals=at_goal, rewards=at_goal.astype(np.float32)))
    assert data.returns.tolist() == [1, 1, 0, 0]
    assert data.lengths.tolist() == [2, 1, 2, 1]
    assert data.with_reward("minus_one").reward_shift == -1


def test_adroit_demonstrations_end_in_timeouts_at_any_length(tmp_path):
    ends = np.array([0, 0, 1, 0, 0, 1], bool)
    columns = {"terminals": np.zeros(ROWS, bool), "timeouts": ends, "next_observations": None}
    data = read(write(tmp_path / "door-human-v1.hdf5", **columns))
    assert data.env == "AdroitHandDoor-v1"
    assert data.continues.all()
    assert data.lengths.tolist() == [2, 2]


def test_kitchen_demonstrations_are_not_cut_by_a_counter(tmp_path):
    rows = 400
    column = np.linspace(0, 1, rows, dtype=np.float32)
    columns = dict.fromkeys(("observations", "actions"), column[:, None]) | {"rewards": column}
    columns |= {"terminals": np.arange(rows) % 350 == 349, "timeouts": None, "next_observations": None}
    path = write(tmp_path / "kitchen_microwave_kettle_light_slider-v0.hdf5", **columns, infos=np.arange(rows) // 350)
    data = read(path)  # its time limit is 280 steps
    assert data.name == "kitchen-partial-v0"
    assert data.lengths.tolist() == [350, 49]
    assert data.continues[349] == 0
    assert data.extra["infos"].tolist() == [0] * 350 + [1] * 49


def test_what_is_written_is_in_d4rls_layout(tmp_path):
    extra = {"action_log_prob": np.linspace(-1, 0, ROWS), "qpos": np.zeros((ROWS, 2))}
    ours = read(write(tmp_path / "mine.hdf5", **{f"infos/{name}": column for name, column in extra.items()}))
    d4rl.write(replace(ours, env="Hopper-v5"), tmp_path / "maze2d.hdf5")
    with h5py.File(tmp_path / "maze2d.hdf5") as file:
        assert {"observations", "actions", "rewards", "terminals", "timeouts", "next_observations"} < {*file}
        assert {*file["infos"]} == {"action_log_probs", "qpos"}
        assert file["terminals"].dtype == file["timeouts"].dtype == bool
        assert file["terminals"][()].tolist() == [False, True, False, False, False, False]
        assert file["timeouts"][()].tolist() == [False, False, False, False, True, True]
        assert file["metadata/env"][()] == b"Hopper-v5"
    back = read(tmp_path / "maze2d.hdf5")  # called as a family whose files mean something else by terminals
    assert back.fingerprint() == ours.fingerprint()


def test_lengths_that_differ_are_said(tmp_path):
    for name in ("mine", "antmaze", "kitchen", "maze2d"):
        path = write(tmp_path / f"{name}.hdf5", terminals=np.zeros(4, bool))
        with pytest.raises(BadInput, match="terminated has 4 rows and reward has 6"):
            read(path)
