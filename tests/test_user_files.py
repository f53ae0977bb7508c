import pytest

from mooring.errors import BadInput
from mooring.user_files import is_reference, load_object

FILE = """
from __future__ import annotations
import equinox as eqx

class First(eqx.Module):
    size: int

def second() -> First:
    return First(3)
"""


@pytest.mark.parametrize(
    ("name", "expected"),
    [("my.py:Name", True), ("/a/b.py:f", True), ("iql", False), ("package:Env-v0", False), ("my.py", False)],
)
def test_is_reference(name, expected):
    assert is_reference(name) is expected


def test_names_of_one_file_share_their_classes(tmp_path):
    (tmp_path / "mine.py").write_text(FILE)
    first = load_object(f"{tmp_path}/mine.py:First")
    assert isinstance(load_object(f"{tmp_path}/mine.py:second")(), first)


def test_two_files_of_one_name(tmp_path):
    for folder, value in (("a", 1), ("b", 2)):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "mine.py").write_text(f"value = {value}")
    assert [load_object(f"{tmp_path}/{folder}/mine.py:value") for folder in "aba"] == [1, 2, 1]


def test_bad_references(tmp_path):
    with pytest.raises(BadInput, match=r"there is no file .*gone.py"):
        load_object(f"{tmp_path}/gone.py:f")
    (tmp_path / "mine.py").write_text(FILE)
    with pytest.raises(BadInput, match=r"'secnd': does not exist; did you mean second"):
        load_object(f"{tmp_path}/mine.py:secnd")


def test_errors_of_the_file_pass_through(tmp_path):
    (tmp_path / "broken.py").write_text("1 / 0")
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            load_object(f"{tmp_path}/broken.py:f")
