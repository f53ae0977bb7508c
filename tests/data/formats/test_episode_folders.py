"""Folders of episodes: actions that led to a row (V-D4RL) and actions that follow it (RL Unplugged)."""

import json
import os

import numpy as np
import pytest

from mooring.data import load
from mooring.data.formats import episodes
from mooring.data.spaces import Image
from mooring.errors import BadInput
from samples import sample


def write(folder, name="a.npz", **columns):
    folder.mkdir(exist_ok=True)
    np.savez(folder / name, **{name: column for name, column in columns.items() if column is not None})
    return folder


def pictures(rows: int) -> np.ndarray:
    return np.broadcast_to(np.arange(rows, dtype=np.uint8)[:, None, None, None], (rows, 4, 4, 3)).copy()


def dreamer(**changes) -> dict:
    """Three steps: actions 0.1, 0.2, 0.3 and rewards 1, 2, 3, each in the row that it led to."""
    flags = {"is_first": [1, 0, 0, 0], "is_last": [0, 0, 0, 1], "is_terminal": [0, 0, 0, 0]}
    columns = {"image": pictures(4), "action": [[0], [0.1], [0.2], [0.3]], "reward": [0, 1, 2, 3]}
    return columns | {name: np.array(flag, bool) for name, flag in flags.items()} | {"discount": np.ones(4)} | changes


def test_vd4rl_actions_led_to_their_row(tmp_path):
    data = load(write(tmp_path / "mine", **dreamer(), height=[9, 1, 2, 3]))
    assert data.obs.dtype == np.uint8
    assert data.obs_space == Image((4, 4, 3))
    assert data.obs[:, 0, 0, 0].tolist() == [0, 1, 2]
    assert data.next_obs[:, 0, 0, 0].tolist() == [1, 2, 3]
    assert data.action[:, 0].tolist() == np.float32([0.1, 0.2, 0.3]).tolist()
    assert data.reward.tolist() == [1, 2, 3]
    assert data.continues.tolist() == [1, 1, 1]
    assert data.extra["height"].tolist() == [1, 2, 3]


def test_rl_unpluggeds_actions_follow_their_row(tmp_path):
    columns = dreamer(image=None, action=[0, 1, 2, 9], reward=[1, 2, 3, 9], is_terminal=[0, 0, 0, 1])
    data = load(write(tmp_path / "mine", **columns, observation=np.arange(4.0)[:, None]))
    assert data.action.tolist() == [0, 1, 2]
    assert data.reward.tolist() == [1, 2, 3]
    assert data.continues.tolist() == [1, 1, 0]


def test_buffers_without_flags_say_by_discount_what_terminated(tmp_path):
    columns = {name: dreamer()[name] for name in ("action", "reward")}
    columns |= {"observation": np.arange(4.0)[:, None], "discount": [1, 1, 1, 0]}
    data = load(write(tmp_path / "mine", **columns))
    assert data.reward.tolist() == [1, 2, 3]
    assert data.continues.tolist() == [1, 1, 0]


def test_files_are_in_the_order_of_their_names(tmp_path):
    for name, shift in (("b.npz", 10), ("a.npz", 0), ("c.npz", 20)):
        write(tmp_path / "mine", name, **dreamer(reward=np.arange(4) + shift))
    assert load(tmp_path / "mine").returns.tolist() == [6, 36, 66]


def test_images_are_written_as_vd4rls(tmp_path):
    data = sample("images")
    episodes.write(data, tmp_path / "mine")
    names = [f"episode-{number:07}-{rows}.npz" for number, rows in enumerate((4, 5, 3))]
    assert sorted(os.listdir(tmp_path / "mine")) == [*names, "mooring.json"]
    with np.load(tmp_path / "mine" / names[0]) as file:
        assert {*file.files} == {*dreamer()}
        assert file["image"].shape == (4, 8, 8, 3)
        assert not file["action"][0].any()
        np.testing.assert_array_equal(file["action"][1:], data.action[:3])
        assert file["is_terminal"].tolist() == [False, False, False, True]
        assert file["discount"].tolist() == [0, 1, 1, 0]


def test_bad_files(tmp_path):
    with pytest.raises(BadInput, match=r"a.npz: has no observations \(it holds action, discount"):
        load(write(tmp_path / "none", **dreamer(image=None)))
    with pytest.raises(BadInput, match=r"a.npz: lacks reward \(it holds"):
        load(write(tmp_path / "less", **dreamer(reward=None)))
    with pytest.raises(BadInput, match="lacks is_terminal and discount"):
        load(write(tmp_path / "ends", **dreamer(discount=None, is_terminal=None)))
    with pytest.raises(BadInput, match=r"reward has 1 rows; expected one more than steps"):
        load(write(tmp_path / "short", **dreamer(reward=[0])))
    with pytest.raises(BadInput, match=r"obs has 4 rows for 2 actions|action has"):
        load(write(tmp_path / "odd", **dreamer(action=[[0], [0], [0]], reward=[0, 0, 0])))
    write(tmp_path / "mixed", **dreamer())
    with pytest.raises(BadInput, match="episode 1: its columns differ from those of episode 0"):
        load(write(tmp_path / "mixed", "b.npz", **dreamer(), height=np.zeros(4)))
    folder = write(tmp_path / "meta", **dreamer())
    (folder / "mooring.json").write_text(json.dumps({"obs_space": {"kind": "image"}}))
    with pytest.raises(BadInput, match=r"meta: its meta is damaged \(KeyError: 'shape'\)"):
        load(folder)
