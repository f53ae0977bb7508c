"""The command itself: help without JAX, its names, exit codes."""

import subprocess
import sys

import pytest

import mooring as package
from mooring import cli
from mooring.errors import BadInput

NO_JAX = """
import sys
from mooring.cli import main
try:
    main(sys.argv[1:])
except SystemExit:
    pass
heavy = {"jax", "numpy", "rich", "equinox"} & set(sys.modules)
assert not heavy, heavy
"""


@pytest.mark.parametrize(
    "words",
    [["--help"], ["train", "--help"], ["train", "iql", "--help"], ["train", "iq", "x"], ["sweep", "--help"]],
    ids=" ".join,
)
def test_help_and_first_errors_import_nothing_heavy(words):
    done = subprocess.run([sys.executable, "-c", NO_JAX, *words], capture_output=True, text=True)
    assert done.returncode == 0, f"imported {done.stderr}"


def test_listing_algorithms_imports_no_jax():
    code = NO_JAX.replace(', "rich"', "")
    done = subprocess.run([sys.executable, "-c", code, "algorithms"], capture_output=True, text=True)
    assert (done.returncode, "iql" in done.stdout) == (0, True)


def test_as_a_module():
    done = subprocess.run([sys.executable, "-m", "mooring", "tran"], capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr == "mooring: error: command 'tran': does not exist; did you mean train?\n"


def test_help_names_every_command(mooring):
    shown = mooring("--help")
    assert shown.code == 0
    for name in cli.COMMANDS:
        assert f"  {name} " in shown.out
        assert mooring(name, "--help").code == 0


def test_version(mooring):
    assert mooring("--version").out == f"mooring {package.__version__}\n"


def test_no_command_is_an_error_with_help(mooring):
    assert mooring() == (2, "", mooring("--help").out)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--hlp"], "option of mooring '--hlp': does not exist; did you mean --help?"),
        (["algorithms", "--al"], "option of mooring algorithms '--al': does not exist"),
        (["show"], "mooring show: the following arguments are required: RUN; see mooring show --help"),
        (["data", "lst"], "command 'lst': does not exist; did you mean list"),
    ],
)
def test_wrong_words(mooring, words, said):
    outcome = mooring(*words)
    assert outcome.code == 2
    assert outcome.out == ""
    assert outcome.err.startswith(f"mooring: error: {said}")
    assert outcome.err.count("\n") == 1


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (BadInput("here", "found this", "that"), 2, "mooring: error: here: found this; expected that\n"),
        (KeyboardInterrupt(), 130, "\nmooring: interrupted\n"),
        (KeyboardInterrupt("go on with: x"), 130, "\nmooring: interrupted; go on with: x\n"),
    ],
)
def test_exit_codes(mooring, monkeypatch, error, code, said):
    def fail(words):
        raise error

    monkeypatch.setattr("mooring.cli.algorithms.run", fail)
    assert mooring("algorithms") == (code, "", said)


def test_other_errors_pass_through(mooring, monkeypatch):
    monkeypatch.setattr("mooring.cli.algorithms.run", lambda words: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        mooring("algorithms")
