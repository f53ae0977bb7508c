"""`load`: every kind of source, and what is said about a wrong one."""

import os
import pickle

import h5py
import numpy as np
import pytest

from mooring.data import Dataset, load, save_npz
from mooring.errors import BadInput


@pytest.fixture
def data() -> Dataset:
    obs = np.arange(4.0)[:, None]
    return Dataset.build(obs, np.zeros((4, 1)), np.ones(4), [0, 0, 0, 1], next_obs=obs + 1)


def test_a_data_set_passes_through(data):
    assert load(data) is data


@pytest.mark.parametrize("kind", [str, lambda path: path])
def test_an_npz_file_as_text_or_path(data, tmp_path, kind):
    save_npz(data, tmp_path / "mine.npz")
    assert load(kind(tmp_path / "mine.npz")).fingerprint() == data.fingerprint()
    assert load(kind(tmp_path / "mine.npz"), name="other").name == "other"


@pytest.mark.parametrize("ending", [".hdf5", ".h5"])
def test_an_hdf5_file(data, tmp_path, ending):
    with h5py.File(tmp_path / f"mine{ending}", "w") as file:
        file["observations"], file["actions"], file["rewards"] = data.obs, data.action, data.reward
        file["terminals"], file["timeouts"] = data.continues == 0, np.zeros(4)
    assert len(load(tmp_path / f"mine{ending}")) == 4


@pytest.mark.parametrize("file", ["hopper-medium-v2.hdf5", "hopper_medium-v2.hdf5"])
def test_a_catalog_name_is_looked_for_in_the_given_folders(data, tmp_path, monkeypatch, file):
    monkeypatch.setenv("MOORING_DATA", f"{tmp_path / 'empty'}:{tmp_path}")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    with pytest.raises(
        BadInput, match=r"its file is not in .*\.mooring/data.*mooring data download hopper-medium-v2.*put hopper_m"
    ):
        load("hopper-medium-v2")
    with h5py.File(tmp_path / file, "w") as stored:
        stored["observations"], stored["actions"], stored["rewards"] = data.obs, data.action, data.reward
        stored["terminals"], stored["timeouts"] = data.continues == 0, np.zeros(4)
    found = load("hopper-medium-v2")
    assert (found.name, found.env, found.horizon) == ("hopper-medium-v2", "Hopper-v5", 1000)


def test_a_function_of_a_users_file(tmp_path):
    file = tmp_path / "my_data.py"
    file.write_text(
        "import numpy as np\n"
        "from mooring.data import Dataset\n"
        "def make(rows=3):\n"
        "    return Dataset.build(np.ones((rows, 1)), np.zeros(rows, int), np.ones(rows), np.ones(rows))\n"
        "def wrong():\n"
        "    return 7\n"
    )
    assert len(load(f"{file}:make")) == 3
    assert len(load(f"{file}:make", rows=5)) == 5
    with pytest.raises(BadInput, match="returned int; expected a Dataset"):
        load(f"{file}:wrong")
    with pytest.raises(BadInput, match="did you mean make"):
        load(f"{file}:mak")
    with pytest.raises(BadInput, match="no file"):
        load(f"{tmp_path}/none.py:make")


def test_unknown_sources(tmp_path):
    with pytest.raises(BadInput, match="did you mean hopper-medium-v2"):
        load("hopper-medum-v2")
    with pytest.raises(BadInput, match=r"none.npz: no such file"):
        load(tmp_path / "none.npz")
    (tmp_path / "mine.xls").write_text("1,2\n")
    with pytest.raises(BadInput, match=r"its format '.xls' is not known; expected .npz, .hdf5, .h5, .parquet"):
        load(tmp_path / "mine.xls")
    with pytest.raises(BadInput, match="format 'cvs': does not exist; did you mean csv"):
        load(tmp_path / "mine.xls", format="cvs")


class Bomb:
    def __reduce__(self):
        return (os.system, ("touch opened",))


@pytest.mark.parametrize("name", ["mine.pkl", "mine.npz", "mine.hdf5", "mine"])
def test_a_pickle_is_told_by_its_content_and_runs_nothing(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    (tmp_path / name).write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(BadInput, match=r"asks for \w+.system, which is not needed for arrays"):
        load(tmp_path / name)
    assert os.listdir(tmp_path) == [name]


def test_a_pickle_by_its_ending_alone(tmp_path):
    (tmp_path / "mine.pkl").write_bytes(pickle.dumps(Bomb(), protocol=0))
    with pytest.raises(BadInput, match=r"asks for \w+.system"):
        load(tmp_path / "mine.pkl")


def test_a_format_may_be_named(data, tmp_path):
    save_npz(data, tmp_path / "mine.data")
    assert load(tmp_path / "mine.data", format="npz").fingerprint() == data.fingerprint()
