"""Running a command line in this process."""

from collections.abc import Callable
from typing import NamedTuple

import pytest

from mooring.cli import main


class Outcome(NamedTuple):
    code: int
    out: str
    err: str


@pytest.fixture
def mooring(capsys, tmp_path, monkeypatch) -> Callable[..., Outcome]:
    """`mooring(*words)`, run in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def run(*words: object) -> Outcome:
        try:
            code = main([str(word) for word in words])
        except SystemExit as exit:  # argparse's --help and --version
            code = exit.code or 0
        return Outcome(code, *capsys.readouterr())

    return run
