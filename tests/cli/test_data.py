import json

import numpy as np
import pytest

from mooring.data import Dataset, save_npz


@pytest.fixture
def file(tmp_path):
    obs = np.arange(12.0).reshape(6, 2)
    data = Dataset.build(obs, np.zeros((6, 1)), np.ones(6), [0, 0, 1, 0, 0, 1], next_obs=obs + 2, name="small")
    save_npz(data, tmp_path / "small.npz")
    return tmp_path / "small.npz"


def test_the_list_can_be_narrowed(mooring):
    assert "halfcheetah-medium-v2" in mooring("data", "list").out
    narrowed = mooring("data", "list", "hopper").out
    assert "hopper-medium-v2" in narrowed
    assert "halfcheetah" not in narrowed
    assert {entry["env"] for entry in json.loads(mooring("data", "list", "hopper-medium-v2", "--json").out)} == {
        "Hopper-v5"
    }
    assert mooring("data", "list", "xyz").code == 2


def test_show(mooring, file):
    shown = mooring("data", "show", file)
    assert shown.code == 0
    for words in ("rows", "6", "every reward is 1", "warning", "terminated 2"):
        assert words in shown.out
    described = json.loads(mooring("data", "show", file, "--json").out)
    assert described["summary"]["episodes"] == 2
    assert described["audit"][0]["level"] == "warning"


def test_show_of_nothing(mooring):
    assert "DATA" in mooring("data", "show").err
    assert mooring("data", "show", "none.npz").err == "mooring: error: none.npz: no such file\n"
