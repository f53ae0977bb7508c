"""Folders of rows: written as episodes come, opened without being read, refused where they are not whole."""

import json
from dataclasses import replace

import numpy as np
import pytest

from mooring.data import Bounds, Dataset, Episode, load, save_npz, write_rows
from mooring.data.mapped import MappedDataset
from mooring.errors import BadInput


def episode(seed: int, steps: int = 7, **changes) -> Episode:
    rng = np.random.default_rng(seed)
    parts = {
        "obs": {"arm": 100 + rng.normal(size=(steps + 1, 3)), "kind": rng.integers(0, 2 + seed, steps + 1)},
        "action": rng.uniform(-1, 1, (steps, 2)),
        "reward": rng.normal(size=steps),
        "terminated": seed % 2 == 0,
        "extra": {"cost": rng.normal(size=steps)},
    }
    return Episode(**parts | changes)


EPISODES = [episode(seed, 3 + seed) for seed in range(9)]
META = {"env": "Hopper-v5", "score_range": (0.0, 5.0), "horizon": 4, "action_space": Bounds.of(-2, 2, 2)}


def write(path, *parts, **meta):
    with write_rows(path, **meta) as rows:
        for part in parts:
            rows.append(part)


@pytest.fixture
def folder(tmp_path):
    write(tmp_path / "mine.rows", EPISODES[:1], EPISODES[1:5], EPISODES[5:], **META)
    return tmp_path / "mine.rows"


def test_what_is_appended_is_the_data_set_that_build_makes(folder):
    wanted, found = Dataset.from_episodes(EPISODES, name="mine", **META), load(folder)
    assert isinstance(found, MappedDataset)
    assert all(isinstance(column, np.memmap) for column in found.columns().values())
    assert found.fingerprint() == wanted.fingerprint()
    for name, column in wanted.columns().items():
        np.testing.assert_array_equal(found.columns()[name], column)
    for name in ("ends", "starts", "lengths", "returns"):
        np.testing.assert_allclose(getattr(found, name), getattr(wanted, name), rtol=1e-12)
    assert (found.name, found.env, found.score_range, found.horizon) == ("mine", "Hopper-v5", (0.0, 5.0), 11)
    assert found.obs_space["kind"].n == wanted.obs_space["kind"].n


def test_statistics_are_those_of_all_rows(folder):
    wanted, found = Dataset.from_episodes(EPISODES, **META), load(folder)
    for name, column in wanted.columns().items():
        if column.dtype.kind == "f":
            for one, other in zip(found.moments(name), wanted.moments(name), strict=True):
                np.testing.assert_allclose(one, other, rtol=1e-9, err_msg=name)
    arm = found.spec().obs["arm"]
    np.testing.assert_allclose(arm.mean, wanted.spec().obs["arm"].mean, rtol=1e-6)
    np.testing.assert_allclose(arm.std, wanted.spec().obs["arm"].std, rtol=1e-6)
    assert found.with_reward("standardize").reward_scale == pytest.approx(
        wanted.with_reward("standardize").reward_scale
    )
    assert isinstance(found.with_reward("return_range"), MappedDataset)


def test_parts_and_selected_episodes_are_in_memory(folder):
    wanted, found = Dataset.from_episodes(EPISODES, **META), load(folder)
    part = found.read([(4, 9), (9, 20)])
    assert type(part) is type(found.select([2])) is Dataset
    np.testing.assert_array_equal(part.obs["arm"], wanted.obs["arm"][4:20])
    np.testing.assert_array_equal(part.extra["cost"], wanted.extra["cost"][4:20])
    assert found.select([2, 5]).fingerprint() == wanted.select([2, 5]).fingerprint()
    assert found.top(0.3).fingerprint() == wanted.top(0.3).fingerprint()
    assert found.top(1.0) is found


def test_data_sets_can_be_appended_too(tmp_path):
    parts = [Dataset.from_episodes(EPISODES[:4], name="a", horizon=20), Dataset.from_episodes(EPISODES[4:], name="b")]
    write(tmp_path / "mine.rows", *parts, env="Hopper-v5", horizon=30)
    found = load(tmp_path / "mine.rows")
    assert (found.name, found.env, found.horizon, found.num_episodes) == ("mine", "Hopper-v5", 30, 9)
    assert load(tmp_path / "mine.rows", name="other", horizon=40).horizon == 40


@pytest.mark.parametrize("change", [lambda c: c[:9], lambda c: c[::-1], lambda c: c + 1, lambda c: np.array(c)])
def test_columns_can_not_be_replaced(folder, change):
    data = load(folder)
    with pytest.raises(BadInput, match="its reward lies in a file and can not be replaced"):
        replace(data, reward=change(data.reward))
    assert replace(data, name="other").name == "other"


def test_converting_there_and_back(folder, tmp_path, monkeypatch):
    from mooring.cli import main

    monkeypatch.setattr("mooring.data.formats.rows.SLICE", 500)
    save_npz(load(folder), tmp_path / "copy.npz")
    assert main(["data", "convert", str(tmp_path / "copy.npz"), str(tmp_path / "copy.rows")]) == 0
    assert load(tmp_path / "copy.rows").fingerprint() == load(folder).fingerprint()


def test_nothing_appears_after_an_error(tmp_path):
    bad = episode(1, reward=np.full(7, np.nan))
    with pytest.raises(BadInput, match=r"mine.rows: reward holds NaN"):
        write(tmp_path / "mine.rows", [episode(0)], [bad])
    with pytest.raises(BadInput, match="no rows"):
        write(tmp_path / "mine.rows")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("later", "complaint"),
    [
        ({"extra": {}}, "from row 7: extra/cost is missing or of another form"),
        ({"extra": {"cost": np.zeros(7), "more": np.zeros(7)}}, "from row 7: has extra/more too"),
        ({"action": np.zeros((7, 3))}, "from row 7: action is missing or of another form"),
        ({"action": np.zeros(7, int)}, "from row 7: action is missing or of another form"),
    ],
)
def test_later_rows_have_the_form_of_the_first(tmp_path, later, complaint):
    with pytest.raises(BadInput, match=complaint):
        write(tmp_path / "mine.rows", [episode(0)], [episode(1, **later)])


def test_what_is_there_stays(folder):
    with pytest.raises(BadInput, match="is there already"):
        write(folder, EPISODES)


def test_a_folder_that_is_not_whole_is_refused(folder):
    about = json.loads((folder / "rows.json").read_text())
    with pytest.raises(BadInput, match="its obs_space is known"):
        load(folder, obs_space=None)
    reward = (folder / "reward.npy").read_bytes()
    (folder / "reward.npy").write_bytes(reward[:-4])
    with pytest.raises(BadInput, match=r"reward.npy: is missing or damaged"):
        load(folder)
    (folder / "reward.npy").unlink()
    with pytest.raises(BadInput, match=r"reward.npy: is missing or damaged"):
        load(folder)
    np.save(folder / "reward.npy", np.zeros(3, np.float32))
    with pytest.raises(BadInput, match=r"reward.npy: is <f4\[3\]; expected <f4\[63\], as rows.json says"):
        load(folder)
    (folder / "rows.json").write_text(json.dumps({**about, "columns": 3}))
    with pytest.raises(BadInput, match="is damaged"):
        load(folder)
    (folder / "rows.json").write_text("{")
    with pytest.raises(BadInput, match="is damaged"):
        load(folder)
