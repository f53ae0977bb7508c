"""`mooring data list`, `show` and `download` of known names, from folders that serve as mirrors."""

import hashlib
import importlib.util
import json

import numpy as np
import pytest

from mooring.data import Dataset, save_npz


@pytest.fixture
def mirror(tmp_path, monkeypatch):
    """A folder with a small file under the name of a known data set; no other folder holds any."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("MOORING_DATA", raising=False)
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "minari"))
    folder = tmp_path / "mirror"
    folder.mkdir()
    obs = np.arange(12.0).reshape(6, 2)
    data = Dataset.build(obs, np.zeros((6, 1)), np.ones(6), [0, 0, 1, 0, 0, 1], next_obs=obs + 2)
    save_npz(data, folder / "scene-play-v0.npz")
    return folder


def test_the_list_by_family_and_environment(mooring, mirror):
    entries = json.loads(mooring("data", "list", "--family", "NeoRL-2", "--json").out)
    assert len(entries) == 16
    assert {entry["license"] for entry in entries} == {"CC BY 4.0"}
    assert {e["family"] for e in json.loads(mooring("data", "list", "--env", "hopper-v5", "--json").out)} == {"D4RL"}
    shown = mooring("data", "list", "hopper-medium-v2").out
    for words in ("D4RL", "153 MB", "CC BY 4.0", "mooring data download NAME"):
        assert words in shown
    assert "did you mean ogbench" in mooring("data", "list", "--family", "ogbnch").err
    assert "ask for less" in mooring("data", "list", "hopper", "--env", "walker").err


def test_show_of_a_known_name_that_is_absent(mooring, mirror):
    shown = mooring("data", "show", "hopper-medium-v2")
    assert shown.code == 0
    for words in ("152,756,557 bytes", "sha256:5bdf1bc4", "CC BY 4.0", "`mooring data download hopper-medium-v2`"):
        assert words in shown.out
    entry = json.loads(mooring("data", "show", "minari:D4RL/pen/human-v2", "--json").out)
    assert entry["here"] is False
    assert entry["catalog"]["env"] == "AdroitHandPen-v1"


def test_nothing_is_downloaded_unasked(mooring, mirror):
    assert "mooring data download scene-play-v0" in mooring("train", "bc", "scene-play-v0").err
    assert not (mirror.parent / "home").exists()


def test_a_download_is_kept_recorded_found_and_checked(mooring, mirror, tmp_path):
    got = mooring("data", "download", "scene-play-v0", "--from", mirror)
    path = tmp_path / "home" / ".mooring" / "data" / "scene-play-v0.npz"
    assert got.code == 0
    assert f"kept as {path}; no checksum is published" in got.out
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert path.with_name("scene-play-v0.npz.sha256").read_text() == f"{digest}  scene-play-v0.npz\n"
    assert "is there already" in mooring("data", "download", "scene-play-v0").out
    assert "yes" in mooring("data", "list", "scene-play-v0").out
    assert "rows" in mooring("data", "show", "scene-play-v0").out
    path.write_bytes(path.read_bytes() + b"0")
    for command in ("show", "download"):
        changed = mooring("data", command, "scene-play-v0")
        assert changed.code == 2
        assert "as when it was downloaded" in changed.err


def test_folders_of_mooring_data_come_first(mooring, mirror, monkeypatch):
    monkeypatch.setenv("MOORING_DATA", str(mirror))
    assert f"is there already, as {mirror}/scene-play-v0.npz" in mooring("data", "download", "scene-play-v0").out
    assert mooring("data", "download", "scene-play-v0", "--to", "own", "--from", mirror).code == 0
    assert (mirror.parent / "own" / "scene-play-v0.npz").exists()


def test_wrong_words(mooring, mirror):
    assert "did you mean scene-play-v0" in mooring("data", "download", "scne-play-v0").err
    assert (
        "has no hopper_medium-v2.hdf5 or hopper-medium-v2.hdf5"
        in mooring("data", "download", "hopper-medium-v2", "--from", mirror).err
    )
    assert "MINARI_DATASETS_PATH" in mooring("data", "download", "minari:D4RL/pen/human-v2", "--to", "here").err


@pytest.mark.skipif(importlib.util.find_spec("huggingface_hub") is not None, reason="Minari's downloader is whole")
def test_minaris_downloader_without_its_package(mooring, mirror):
    pytest.importorskip("minari")
    failed = mooring("data", "download", "minari:D4RL/pen/human-v2")
    assert failed.code == 2
    assert "pip install 'minari[hf]'" in failed.err
