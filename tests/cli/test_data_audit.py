import json

import numpy as np
import pytest

from mooring.data import Dataset, save_npz


@pytest.fixture
def columns():
    rng = np.random.default_rng(0)
    obs, last = rng.normal(size=(80, 3)), np.arange(80) % 20 == 19
    next_obs = np.where(last[:, None], 0.5, np.roll(obs, -1, axis=0))
    return {
        "obs": obs,
        "action": rng.uniform(-1, 1, (80, 2)),
        "reward": obs[:, 0].copy(),
        "terminated": np.zeros(80),
        "truncated": last,
        "next_obs": next_obs,
    }


def save(columns, path):
    save_npz(Dataset.build(**columns), path)
    return path


def test_sound_data_pass(mooring, columns, tmp_path):
    shown = mooring("data", "audit", save(columns, tmp_path / "log.npz"), "--strict")
    assert shown.code == 0
    assert "pass: " in shown.out
    assert "td3-bc" in shown.out


def test_warnings_and_failures_have_codes_of_their_own(mooring, columns, tmp_path):
    warned = save(columns | {"reward": np.zeros(80)}, tmp_path / "warned.npz")
    assert mooring("data", "audit", warned).code == 1
    assert mooring("data", "audit", warned, "--strict").code == 3
    failed = save(columns | {"next_obs": columns["obs"]}, tmp_path / "failed.npz")
    shown = mooring("data", "audit", failed)
    assert shown.code == 3
    assert "-> take it from the row after" in shown.out
    assert mooring("data", "audit", "none.npz").code == 2


def test_raw_columns_of_a_file_that_is_refused(mooring, columns, tmp_path):
    columns["obs"][7, 1] = np.nan
    np.savez(tmp_path / "broken.npz", **columns)
    shown = mooring("data", "audit", "broken.npz", "--html", "page.html")
    assert shown.code == 3
    assert "first row 7" in shown.out
    assert "NaN" in (tmp_path / "page.html").read_text()


def test_json_and_page(mooring, columns, tmp_path):
    shown = mooring("data", "audit", save(columns, tmp_path / "log.npz"), "--json", "--html", "page.html")
    told = json.loads(shown.out)
    assert told["verdict"] == "pass"
    assert {"check", "level", "field", "text", "fix", "row", "count", "evidence"} <= set(told["findings"][0])
    assert (tmp_path / "page.html").read_text().startswith("<!doctype html>")


def test_a_page_needs_a_folder(mooring, columns, tmp_path):
    shown = mooring("data", "audit", save(columns, tmp_path / "log.npz"), "--html", "none/page.html")
    assert shown.code == 2
    assert "there is no folder none" in shown.err
