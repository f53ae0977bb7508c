"""NumPy files: a round trip without loss, the names in use, and what is refused."""

import os
import stat
from pathlib import Path

import numpy as np
import pytest

from mooring.data import Bounds, Dataset, Discrete
from mooring.data.formats.npz import read, save_npz
from mooring.errors import BadInput

ROWS = 6


def arrays(**changes) -> dict[str, np.ndarray]:
    return {
        "obs": np.arange(ROWS, dtype=np.float32)[:, None],
        "next_obs": np.arange(ROWS, dtype=np.float32)[:, None] + 1,
        "action": np.zeros((ROWS, 2), np.float32),
        "reward": np.ones(ROWS, np.float32),
    } | changes


def test_a_data_set_comes_back_as_it_was(tmp_path):
    obs = {"eye": np.zeros((ROWS, 2, 2, 3), np.uint8), "kind": np.arange(ROWS), "hand": np.ones((ROWS, 2))}
    data = Dataset.build(
        obs,
        np.zeros((ROWS, 2)),
        np.arange(ROWS),
        [0, 1, 0, 0, 0, 0],
        [0, 0, 0, 1, 0, 0],
        next_obs=obs,
        extra={"tag": np.arange(ROWS), "flag": np.ones(ROWS, bool), "action_log_prob": np.zeros(ROWS)},
        obs_space={"kind": Discrete(9), "hand": Bounds.of([-np.inf, 0], [np.inf, 5], 2)},
        action_space=Bounds.of([-2, -3], 3, 2),
        horizon=50,
        name="mine",
        env="Mine-v0",
        score_range=(1.0, 2.0),
        continues=[0.5, 0, 1, 1, 0.25, 1],
        labels={"action": ("left", "right")},
    ).with_reward(scale=0.1, shift=-1.0)
    path = tmp_path / "other.npz"
    save_npz(data, path)
    back = read(path)
    assert back.fingerprint() == data.fingerprint()
    for field in ("name", "env", "score_range", "reward_scale", "reward_shift", "horizon", "labels"):
        assert getattr(back, field) == getattr(data, field)
    assert back.obs_space["kind"] == Discrete(9)
    assert back.obs_space["eye"] == data.obs_space["eye"]
    assert back.obs_space["hand"].low.tolist() == [-np.inf, 0]
    assert back.action_space.low.tolist() == [-2, -3]
    assert os.listdir(tmp_path) == ["other.npz"]


def test_a_part_of_an_observation_may_be_called_kind(tmp_path):
    obs = {"kind": np.ones((ROWS, 1)), "n": np.ones((ROWS, 1))}
    data = Dataset.build(obs, [0, 1, 2, 0, 1, 2], np.ones(ROWS), np.zeros(ROWS), next_obs=obs)
    save_npz(data, tmp_path / "mine.npz")
    assert set(read(tmp_path / "mine.npz").obs_space) == {"kind", "n"}


def test_writing_leaves_the_old_file_or_the_new_one(tmp_path, monkeypatch):
    data = Dataset.build(**arrays(), terminated=np.zeros(ROWS))
    path = tmp_path / "mine.npz"
    save_npz(data, path)
    before = path.read_bytes()
    monkeypatch.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(OSError("the disk is full")))
    with pytest.raises(OSError, match="disk is full"):
        save_npz(data.top(1.0), path)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["mine.npz"]
    assert path.stat().st_mode & stat.S_IRUSR


def save(path: Path, **columns) -> Path:
    np.savez(path, **columns)
    return path


@pytest.mark.parametrize(
    "ends",
    [
        {"terminated": [0, 1, 0, 0, 0, 0], "truncated": [0, 0, 0, 1, 0, 0]},
        {"terminals": [0, 1, 0, 0, 0, 0], "timeouts": [0, 0, 0, 1, 0, 0]},
        {"terminations": [0, 1, 0, 0, 0, 0], "truncations": [0, 0, 0, 1, 0, 0]},
        {"done": [0, 1, 0, 0, 0, 0], "truncated": [0, 0, 0, 1, 0, 0]},
        {"dones": [0, 1, 0, 1, 0, 0], "timeouts": [0, 0, 0, 1, 0, 0]},  # here done means either end
        {"terminals": [0, 1, 0, 0, 0, 0], "dones": [0, 1, 0, 1, 0, 0], "timeouts": [0, 0, 0, 1, 0, 0]},
        {"continues": [1, 0, 1, 1, 1, 1], "last": [0, 1, 0, 1, 0, 1]},
        {"done": [0, 1, 0, 0, 0, 0], "last": [0, 1, 0, 1, 0, 1]},
    ],
)
def test_ends_by_their_usual_names(tmp_path, ends):
    columns = {name: np.array(column, np.float32) for name, column in ends.items()}
    data = read(save(tmp_path / "mine.npz", **arrays(), **columns))
    assert data.continues.tolist() == [1, 0, 1, 1, 1, 1]
    assert data.last.tolist() == [False, True, False, True, False, True]
    assert data.extra == {}


def test_columns_by_their_usual_names(tmp_path):
    plain = arrays()
    path = save(
        tmp_path / "mine.npz",
        observations=plain["obs"],
        actions=plain["action"],
        rewards=plain["reward"],
        next_observations=plain["next_obs"],
        terminals=np.zeros(ROWS),
        weight=np.arange(ROWS),
        index=np.arange(2),
    )
    data = read(path, name="other", action_space=Bounds.of(-3, 3, 2))
    assert data.name == "other"
    assert data.action_space.high.tolist() == [3, 3]
    assert list(data.extra) == ["weight"]
    np.testing.assert_array_equal(data.next_obs, plain["next_obs"])


def test_what_the_catalog_knows_of_an_environment(tmp_path):
    path = save(tmp_path / "mine.npz", **arrays(), terminated=np.zeros(ROWS))
    assert read(path, env="Hopper-v5").score_range == (-20.272305, 3234.3)
    assert read(path).score_range is None


def test_bad_files(tmp_path):
    with pytest.raises(BadInput, match=r"mine.npz: lacks terminated \(it holds action, next_obs, obs, reward\)"):
        read(save(tmp_path / "mine.npz", **arrays()))
    with pytest.raises(BadInput, match="holds what only a pickle can store"):
        read(save(tmp_path / "mine.npz", **arrays(obs=np.array([None] * ROWS)), terminated=np.zeros(ROWS)))
    whole = save(tmp_path / "whole.npz", **arrays(), terminated=np.zeros(ROWS)).read_bytes()
    cut = tmp_path / "cut.npz"
    cut.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(BadInput, match=r"is not a .npz file, or not a whole one"):
        read(cut)
    flipped = bytearray(whole)
    flipped[150] ^= 255
    cut.write_bytes(bytes(flipped))
    with pytest.raises(BadInput, match=r"cut.npz: is damaged"):
        read(cut)


def test_arrays_that_contradict_each_other(tmp_path):
    both = {"obs/eye": np.zeros((ROWS, 1)), "terminated": np.zeros(ROWS)}
    with pytest.raises(BadInput, match="has both obs and obs/eye; expected one or the other"):
        read(save(tmp_path / "mine.npz", **arrays(), **both))
    with pytest.raises(BadInput, match="truncated has 2 rows and reward has 6"):
        read(save(tmp_path / "mine.npz", **arrays(), terminated=np.zeros(ROWS), last=np.zeros(2)))
    with pytest.raises(BadInput, match="done has dtype <U1"):
        read(save(tmp_path / "mine.npz", **arrays(), done=np.full(ROWS, "0")))


@pytest.mark.parametrize(
    ("name", "rows", "episodes", "obs", "actions"),
    [
        ("DMSD-high-100000-train", 100_000, 1000, 6, 2),
        ("DMSD-high-20000-val", 20_000, 200, 6, 2),
        ("SafetyHalfCheetah-high-100000-train", 18_000, 18, 18, 6),
        ("SafetyHalfCheetah-high-20000-val", 2_000, 2, 18, 6),
    ],
)
def test_real_files(real_data, name, rows, episodes, obs, actions):
    data = read(real_data / "neorl2" / f"{name}.npz")
    assert (len(data), data.num_episodes) == (rows, episodes)
    assert (data.obs.shape[1], data.action.shape[1]) == (obs, actions)
    assert (data.lengths == rows // episodes).all()
    assert data.continues.all()  # only time limits


def test_a_real_file_round_trips(real_data, tmp_path):
    data = read(real_data / "neorl2" / "SafetyHalfCheetah-high-20000-val.npz")
    save_npz(data, tmp_path / "copy.npz")
    assert read(tmp_path / "copy.npz").fingerprint() == data.fingerprint()
