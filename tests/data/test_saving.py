"""`save`: whole or not at all, compared with what was given, and never silent about a loss."""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mooring.data import Dataset, load, save
from mooring.errors import BadInput
from samples import sample


@pytest.mark.parametrize("kind", ["dict", "images", "extra", "described", "several steps"])
def test_formats_that_hold_everything_lose_nothing(tmp_path, kind):
    data = replace(sample(kind), reward_scale=2.0)
    for name in ("mine.npz", "mine.h5"):
        assert save(data, tmp_path / name) == []
        assert load(tmp_path / name).fingerprint() == data.fingerprint()
    assert save(data, tmp_path / "mine", "episodes") == []
    assert sorted(os.listdir(tmp_path)) == ["mine", "mine.h5", "mine.npz"]


def test_what_a_table_does_not_hold_is_said(tmp_path):
    data = replace(sample("described"), reward_shift=-1.0)
    lost = save(data, tmp_path / "mine.csv")
    assert lost == [
        "the bounds of actions, without which it can not be read: give action_space",
        "env (CartPole-v1)",
        "score_range ((1.5, 2.5))",
        "horizon (77)",
        "reward_shift (-1.0)",
        "obs_space",
    ]


def test_columns_that_do_not_come_back_are_said(tmp_path):
    data = replace(sample("several steps"), extra={"byte": np.arange(9, dtype=np.uint8)})
    lost = save(data, tmp_path / "mine.csv")
    assert lost == ["the form of extra/byte: uint8 became int32"]
    lost = save(data, tmp_path / "mine.npz", "neorl")
    assert lost == ["continues, which differs in 8 rows, first row 0"]


def test_episodes_whose_observations_do_not_follow_on_another_are_cut(tmp_path):
    data = sample("continuous")
    next_obs = data.next_obs.copy()
    next_obs[4] += 1
    data = replace(data, next_obs=next_obs)
    assert save(data, tmp_path / "mine.npz") == []
    lost = save(data, tmp_path / "mine", "episodes")
    assert lost == ["3 episodes, which became 4: within them some next_obs are not the following obs"]
    np.testing.assert_array_equal(load(tmp_path / "mine").next_obs, next_obs)


@pytest.mark.parametrize(("name", "format"), [("mine.npz", None), ("mine", "episodes")])
def test_nothing_is_replaced_unasked(tmp_path, name, format):
    first, second = sample("continuous"), sample("discrete")
    save(first, tmp_path / name, format)
    with pytest.raises(BadInput, match="is there already; choose another name, or replace it with --force"):
        save(second, tmp_path / name, format)
    assert load(tmp_path / name).fingerprint() == first.fingerprint()
    save(second, tmp_path / name, format, force=True)
    assert load(tmp_path / name).fingerprint() == second.fingerprint()
    assert os.listdir(tmp_path) == [name]


@pytest.mark.parametrize(("name", "format"), [("mine.npz", None), ("mine", "episodes")])
def test_a_disk_that_fills_up_leaves_what_was_there(tmp_path, monkeypatch, name, format):
    save(sample("continuous"), tmp_path / name, format)
    before = load(tmp_path / name).fingerprint()
    monkeypatch.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(OSError("the disk is full")))
    with pytest.raises(OSError, match="disk is full"):
        save(sample("discrete"), tmp_path / name, format, force=True)
    assert load(tmp_path / name).fingerprint() == before
    assert os.listdir(tmp_path) == [name]


def test_what_can_not_take_its_place_leaves_what_was_there(tmp_path, monkeypatch):
    save(sample("continuous"), tmp_path / "mine", "episodes")
    before = load(tmp_path / "mine").fingerprint()
    monkeypatch.setattr(Path, "replace", lambda *_: (_ for _ in ()).throw(OSError("another file system")))
    with pytest.raises(OSError, match="another file system"):
        save(sample("discrete"), tmp_path / "mine", "episodes", force=True)
    assert load(tmp_path / "mine").fingerprint() == before
    assert os.listdir(tmp_path) == ["mine"]


def test_a_folder_may_replace_a_file_and_the_reverse(tmp_path):
    path = tmp_path / "mine.npz"
    save(sample("continuous"), path)
    save(sample("continuous"), path, "episodes", force=True)
    assert path.is_dir()
    save(sample("continuous"), path, force=True)
    assert path.is_file()


def test_what_can_not_be_read_back_does_not_appear(tmp_path, monkeypatch):
    from mooring.data.formats import npz

    monkeypatch.setattr(npz, "write", lambda data, path: path.write_bytes(b"nothing"))
    with pytest.raises(BadInput, match=r"is not a .npz file"):
        save(sample("continuous"), tmp_path / "mine.npz")
    assert os.listdir(tmp_path) == []


def test_a_file_is_called_as_its_format(tmp_path):
    with pytest.raises(BadInput, match=r"mine.npz: ends in '.npz'; expected .csv, as csv"):
        save(sample("continuous"), tmp_path / "mine.npz", "csv")
    with pytest.raises(BadInput, match="has no ending that names a format"):
        save(sample("continuous"), tmp_path / "mine")


def test_minari_by_name(tmp_path, monkeypatch):
    minari = pytest.importorskip("minari", reason="needs the package minari")
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))
    data = sample("dict")
    assert save(data, "minari:mine/test-v0") == []
    assert minari.load_dataset("mine/test-v0").total_steps == len(data)
    assert [*minari.list_local_datasets()] == ["mine/test-v0"]
    assert load("minari:mine/test-v0").fingerprint() == data.fingerprint()
    with pytest.raises(BadInput, match="minari:mine: is not a name for a Minari data set; expected such as"):
        save(data, "minari:mine")


def test_a_real_file(real_data, tmp_path):
    data = load(real_data / "d4rl_format" / "hopper-random.hdf5").select(range(50))
    assert isinstance(data, Dataset)
    for name in ("mine.npz", "mine.hdf5", "mine.jsonl"):
        assert save(data, tmp_path / name) == []
    assert save(data, tmp_path / "d4rl.hdf5", "d4rl") == []
    assert save(data, tmp_path / "mine.csv") == [
        "env (Hopper-v4)",
        "score_range ((-20.272305, 3234.3))",
        "horizon (1000)",
    ]
