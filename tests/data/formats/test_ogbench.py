"""OGBench's files: the layout that is downloaded, and the two that its own loader makes of it."""

import numpy as np
import pytest

from mooring.data import load
from mooring.data.formats.ogbench import read
from mooring.errors import BadInput

ENDS = np.array([0, 0, 0, 1, 0, 0, 1], np.float32)  # three steps, and two


def write(path, **changes):
    rows = len(ENDS)
    columns = {"observations": np.arange(rows, dtype=np.float32)[:, None], "terminals": ENDS}
    columns |= {"actions": np.linspace(-1, 1, rows, dtype=np.float32)[:, None]} | changes
    np.savez(path, **{name: column for name, column in columns.items() if column is not None})
    return path


def test_trajectories_have_an_observation_more_than_steps(tmp_path):
    data = load(write(tmp_path / "mine.npz", qpos=np.zeros((7, 2))))
    assert data.obs[:, 0].tolist() == [0, 1, 2, 4, 5]
    assert data.next_obs[:, 0].tolist() == [1, 2, 3, 5, 6]
    assert data.last.tolist() == [False, False, True, False, True]
    assert data.continues.all()  # terminals is no termination
    assert not data.reward.any()
    assert data.extra["qpos"].shape == (5, 2)
    np.testing.assert_allclose(data.action[:, 0], [-1, -2 / 3, -1 / 3, 1 / 3, 2 / 3], atol=1e-6)


def test_masks_are_terminations(tmp_path):
    masks, rewards = np.array([1, 0, 0, 1, 1, 1, 1.0]), np.array([-1, 0, 0, 9, -1, -1, 9.0])
    data = load(write(tmp_path / "mine.npz", masks=masks, rewards=rewards))
    assert data.continues.tolist() == [1, 0, 0, 1, 1]
    assert data.last.tolist() == [False, True, True, False, True]
    assert data.returns.tolist() == [-1, 0, -2]


def test_the_regular_and_the_compact_form(tmp_path):
    plain = read(write(tmp_path / "plain.npz"))
    regular = {"observations": plain.obs, "next_observations": plain.next_obs, "actions": plain.action}
    regular["terminals"] = plain.last.astype(np.float32)
    assert load(write(tmp_path / "regular.npz", **regular)).fingerprint() == plain.fingerprint()
    compact = {"terminals": np.array([0, 0, 1, 1, 0, 1, 1.0]), "valids": 1 - ENDS}
    assert load(write(tmp_path / "compact.npz", **compact)).fingerprint() == plain.fingerprint()


def test_other_files_are_not_taken_for_it(tmp_path):
    plain = write(tmp_path / "plain.npz", rewards=np.zeros(7), terminals=np.array([0, 0, 1, 0, 0, 0, 1.0]))
    assert load(plain).continues.tolist() == [1, 1, 0, 1, 1, 1, 0]


def test_bad_files(tmp_path):
    with pytest.raises(BadInput, match=r"mine.npz: lacks actions \(it holds observations, terminals\)"):
        read(write(tmp_path / "mine.npz", actions=None))
    with pytest.raises(BadInput, match="actions has 3 rows and terminals has 7"):
        read(write(tmp_path / "mine.npz", actions=np.zeros((3, 1))))
    with pytest.raises(BadInput, match="terminals is 0 in the last row; expected 1 in the last row of each"):
        read(write(tmp_path / "mine.npz", terminals=np.zeros(7)))
    with pytest.raises(BadInput, match=r"terminals is 2.0 in row 0; expected 0 or 1"):
        read(write(tmp_path / "mine.npz", terminals=np.full(7, 2.0)))
