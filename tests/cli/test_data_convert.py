import numpy as np
import pytest

from mooring.data import Bounds, load, save
from samples import sample


@pytest.fixture
def file(tmp_path):
    save(sample("described"), tmp_path / "mine.npz")
    return tmp_path / "mine.npz"


def test_what_was_written_and_what_was_lost(mooring, file):
    done = mooring("data", "convert", file, "out.h5")
    assert (done.code, done.err) == (0, "")
    assert done.out == "out.h5: 9 rows, 3 episodes; read back and compared.\n"
    lost = mooring("data", "convert", file, "out.csv").out
    assert "It does not hold env (CartPole-v1).\n" in lost
    assert "It does not hold the bounds of actions, without which it can not be read: give action_space.\n" in lost


def test_a_format_may_be_named(mooring, file):
    assert mooring("data", "convert", file, "folder", "--format", "episodes").code == 0
    assert mooring("data", "convert", "folder", "again.npz").code == 0
    assert load("again.npz").fingerprint() == load(file).fingerprint()
    assert mooring("data", "convert", file, "out.npz", "--from", "neorl").code == 2


def test_nothing_is_replaced_unasked(mooring, file):
    refused = mooring("data", "convert", file, file)
    assert refused.code == 2
    assert "is there already; choose another name, or replace it with --force" in refused.err
    assert mooring("data", "convert", file, file, "--force").code == 0


def test_what_a_file_does_not_say_can_be_given(mooring, file):
    mooring("data", "convert", file, "out.csv")
    assert "the bounds are not known" in mooring("data", "convert", "out.csv", "back.npz").err
    words = ("--action-bounds=-2,3", "--env", "Mine-v0", "--horizon", "50")
    assert mooring("data", "convert", "out.csv", "back.npz", *words).code == 0
    back = load("back.npz")
    assert (back.env, back.horizon) == ("Mine-v0", 50)
    assert isinstance(back.action_space, Bounds)
    np.testing.assert_array_equal(back.action_space.high, [3, 3])
    assert "expected two numbers" in mooring("data", "convert", "out.csv", "b.npz", "--action-bounds", "2").err


def test_help_lists_the_formats(mooring):
    text = mooring("data", "convert", "--help").out
    for words in ("minari", "folder", ".pkl .pickle .p", "(only read)"):
        assert words in text
    assert "did you mean" in mooring("data", "convert", "a", "b", "--fromat", "csv").err
