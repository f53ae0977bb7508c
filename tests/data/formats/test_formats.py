"""What holds for every format: data sets come back as they were, or writing refuses them, and the format is told."""

from contextlib import suppress
from importlib import import_module
from pathlib import Path

import h5py
import numpy as np
import pytest

from mooring.data import Dataset, formats, load
from mooring.data.formats import FORMATS
from mooring.errors import BadInput
from samples import KINDS, sample

TABLES, SINGLE = ("parquet", "jsonl", "csv"), ("d4rl", "neorl", "ogbench")
REFUSED = {*((name, "images") for name in TABLES), *((name, "dict") for name in SINGLE)}
BOUNDLESS = ("csv", "neorl", "ogbench")  # they do not hold the bounds of actions
WRITTEN = [each for each in FORMATS if each.writes]
FILES = [each for each in WRITTEN if each.name not in ("minari", "episodes", "rows")]


def place(folder: Path, each: formats.Format) -> Path:
    return folder / f"mine{each.endings[0] if each.endings else ''}"


def columns(data: Dataset) -> dict[str, tuple]:
    return {name: (column.dtype, column.tolist()) for name, column in data.columns().items()}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("each", WRITTEN, ids=lambda each: each.name)
def test_what_is_written_comes_back(tmp_path, each, kind):
    if each.name == "parquet":
        pytest.importorskip("pyarrow", reason="needs the package pyarrow")
    if each.name == "minari":
        pytest.importorskip("minari", reason="needs the package minari")
    data, path = sample(kind), place(tmp_path, each)
    if (each.name, kind) in REFUSED:
        with pytest.raises(
            BadInput, match=r"^sample: has (images|dict observations), which .* can not hold; choose npz"
        ):
            each.write(data, path)
        return
    each.write(data, path)
    back = load(path, **({"action_space": data.action_space} if each.name in BOUNDLESS else {}))
    if (each.name, kind) != ("neorl", "several steps"):
        assert columns(back) == columns(data)
    assert type(back.action_space) is type(data.action_space)


@pytest.mark.parametrize("each", WRITTEN, ids=lambda each: each.name)
def test_files_are_told_by_what_they_hold(tmp_path, each):
    if each.name in ("parquet", "minari"):
        pytest.importorskip({"parquet": "pyarrow"}.get(each.name, each.name))
    each.write(sample("continuous"), place(tmp_path, each))
    assert formats.of(place(tmp_path, each)) == each


def test_the_table():
    for each in FORMATS:
        module = import_module(f"mooring.data.formats.{each.module}")
        assert callable(module.read)
        assert hasattr(module, "write") == each.writes
        shared = sum(set(each.endings) == set(other.endings) for other in FORMATS) > 1
        first = next(other for other in FORMATS if other.endings == each.endings)
        assert hasattr(module, "recognizes") or not shared or each is first
    with pytest.raises(BadInput, match="format 'minary': does not exist; did you mean minari"):
        formats.named("minary")
    with pytest.raises(BadInput, match="format pickle: is only read; expected npz, hdf5"):
        formats.named("pickle").write(sample("continuous"), Path("mine.pkl"))


@pytest.mark.parametrize("name", ["mine", "mine.txt", "mine.pkl"])
def test_endings_that_name_no_format_to_write(name):
    if name == "mine.pkl":
        assert formats.for_writing(Path(name)).name == "pickle"
        return
    with pytest.raises(
        BadInput, match=r"expected .npz, .hdf5, .h5, .*; or name the format: minari, episodes are folders"
    ):
        formats.for_writing(Path(name))


@pytest.mark.parametrize(
    "each", [each for each in WRITTEN if each.name not in formats.FOLDERS], ids=lambda each: each.name
)
@pytest.mark.parametrize("content", ["empty", "half", "noise"])
def test_damaged_files_are_said_to_be(tmp_path, each, content):
    if each.name == "parquet":
        pytest.importorskip("pyarrow", reason="needs the package pyarrow")
    path = place(tmp_path, each)
    each.write(sample("continuous"), path)
    whole = path.read_bytes()
    path.write_bytes({"empty": b"", "half": whole[: len(whole) * 2 // 3 - 1], "noise": bytes(range(256)) * 4}[content])
    with pytest.raises(BadInput, match=rf"^{path}: "):
        load(path)


@pytest.mark.parametrize(
    "each", [each for each in FORMATS if each.name in ("minari", "episodes")], ids=lambda each: each.name
)
def test_a_folder_that_holds_nothing(tmp_path, each):
    if each.name == "minari":
        pytest.importorskip("minari", reason="needs the package minari")
    with pytest.raises(BadInput, match=rf"^{tmp_path}: is not a"):
        load(tmp_path, format=each.name)


@pytest.mark.parametrize("name", ["npz", "neorl", "ogbench", "episodes"])
@pytest.mark.parametrize("spoil", [lambda a: a.ravel()[0], lambda a: a[:0], lambda a: a.astype(str), lambda a: a[None]])
def test_arrays_of_another_form_are_read_or_refused(tmp_path, name, spoil):
    each = formats.named(name)
    each.write(sample("continuous"), place(tmp_path, each))
    file = next(iter(sorted(place(tmp_path, each).glob("*.npz"))), place(tmp_path, each))
    with np.load(file) as stored:
        arrays = dict(stored)
    for array in set(arrays) - {"meta"}:
        np.savez(file, **{**arrays, array: spoil(arrays[array])})
        with suppress(BadInput):
            load(place(tmp_path, each), format=name)


@pytest.mark.parametrize("name", ["hdf5", "d4rl"])
@pytest.mark.parametrize("spoil", [lambda a: a.ravel()[0], lambda a: a[:0], lambda a: a.astype("S"), lambda a: a[None]])
def test_columns_of_another_form_are_read_or_refused(tmp_path, name, spoil):
    path = tmp_path / "antmaze.hdf5"
    formats.named(name).write(sample("continuous"), path)
    with h5py.File(path) as stored:
        columns = {column: stored[column][()] for column in stored if isinstance(stored[column], h5py.Dataset)}
    for column in set(columns) - {"meta"}:
        with h5py.File(path, "w") as file:
            for each in set(columns) - {"meta"}:
                file[each] = spoil(columns[each]) if each == column else columns[each]
        with suppress(BadInput):
            load(path, format=name)
