"""Where compiled programs are kept, and that a user's own choice stands."""

import os
import re
import subprocess
import sys

import pytest

from mooring.compiled import keep_compiled, processor

VARIABLE = "JAX_COMPILATION_CACHE_DIR"


@pytest.fixture
def before_jax(monkeypatch, tmp_path):
    monkeypatch.delitem(sys.modules, "jax")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    for name in (VARIABLE, "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "JAX_TRACEBACK_IN_LOCATIONS_LIMIT"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)


def test_each_kind_of_processor_has_a_folder(before_jax, tmp_path):
    keep_compiled()
    assert os.environ[VARIABLE] == str(tmp_path / "mooring" / "compiled" / processor())


def test_a_users_own_folder_stands(before_jax, monkeypatch):
    monkeypatch.setenv(VARIABLE, "mine")
    keep_compiled()
    assert os.environ[VARIABLE] == "mine"


def test_nothing_changes_once_jax_is_there(monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)
    keep_compiled()
    assert VARIABLE not in os.environ


def test_a_start_compiles_three_programs(tmp_path):
    """Keys, what starts a run, and what makes updates. Each further one takes its time from every start."""
    words = (
        "train td3-bc quickstart --hidden 8 --batch-size 4 --steps 1 --evaluate-every none --watch-every none --quiet"
    )
    command = [sys.executable, "-m", "mooring", *words.split(), "-o", str(tmp_path / "run")]
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path), "JAX_LOG_COMPILES": "1"}
    told = subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stderr
    programs = re.findall(r"Finished XLA compilation of jit\((\w+)\)", told)
    assert programs[: programs.index("advance")] == ["_salted", "start"]


@pytest.mark.every
def test_what_was_compiled_is_found_again(tmp_path):
    """The second run writes nothing new, and learns the same."""
    kept = {"XDG_CACHE_HOME": str(tmp_path / "cache"), "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0"}
    environment = {**os.environ, **kept}
    files = []
    for run in ("first", "second"):
        words = [
            "train",
            "iql",
            "pointmass-easy",
            "--steps",
            "20",
            "--hidden",
            "16,16",
            "-o",
            str(tmp_path / run),
            "--quiet",
        ]
        subprocess.run([sys.executable, "-m", "mooring", *words], env=environment, check=True)
        files.append(sorted(path.name for path in (tmp_path / "cache").rglob("*-cache")))
    assert files[0] == files[1] != []
    policies = [(tmp_path / run / "policies/seed-0.safetensors").read_bytes() for run in ("first", "second")]
    assert policies[0] == policies[1]
