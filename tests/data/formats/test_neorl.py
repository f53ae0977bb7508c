"""NeoRL's files: ends by `truncated` (NeoRL-2) or by `index` (NeoRL)."""

import numpy as np
import pytest

from mooring.data import load
from mooring.data.formats.neorl import read
from mooring.errors import BadInput

ROWS = 6


def write(path, **changes):
    obs = np.arange(ROWS, dtype=np.float32)[:, None]
    columns = {"obs": obs, "next_obs": obs + 1, "action": np.zeros((ROWS, 1), np.float32)}
    columns |= {"reward": np.ones((ROWS, 1), np.float32), "done": np.zeros((ROWS, 1), np.float32)} | changes
    np.savez(path, **columns)
    return path


def test_truncated_ends_an_episode(tmp_path):
    data = load(write(tmp_path / "mine.npz", truncated=np.array([0, 0, 1, 0, 0, 0.0])))
    assert data.lengths.tolist() == [3, 3]
    assert data.continues.all()


def test_index_holds_the_row_after_each_trajectory(tmp_path):
    done = np.array([0, 1, 0, 0, 0, 0.0])[:, None]
    data = load(write(tmp_path / "mine.npz", index=np.array([2, 5, 6]), done=done))
    assert data.lengths.tolist() == [2, 3, 1]
    assert data.continues.tolist() == [1, 0, 1, 1, 1, 1]
    assert data.returns.tolist() == [2, 3, 1]


@pytest.mark.parametrize("index", [[2, 5], [0, 6], [5, 2, 6], [7], [], [[6]], [2.0, 6.0]])
def test_an_index_that_does_not_fit(tmp_path, index):
    with pytest.raises(BadInput, match=r"index holds .* expected rising row numbers, the last of them 6"):
        read(write(tmp_path / "mine.npz", index=np.array(index)))


@pytest.mark.parametrize("name", ["DMSD-high-20000-val", "SafetyHalfCheetah-high-20000-val"])
def test_a_real_file_comes_back(real_data, tmp_path, name):
    from mooring.data import save

    data = load(real_data / "neorl2" / f"{name}.npz")
    lost = save(data, tmp_path / "copy.npz", "neorl")
    assert load(tmp_path / "copy.npz").fingerprint() == data.fingerprint()
    assert all(each.startswith(("env", "score_range", "horizon")) for each in lost)
