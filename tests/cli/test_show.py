"""`mooring show`, `mooring evaluate` and `mooring compare`, on the folder of a run."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from mooring.cli.scores import write_scores

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture
def folder(mooring):
    words = ("--steps", 4, "--chunk", 2, "--evaluate-every", 2, "--episodes", 2, "--hidden", 8, "--seeds", 2)
    assert mooring("train", "bc", f"{EXAMPLES}/my_data.py:load", *words, "-o", "run", "--quiet").code == 0
    return "run"


def test_a_run_and_its_policies(mooring, folder):
    shown = mooring("show", folder).out
    for words in ("bc", "hidden 8", "seed 0; seed 1", "my-maze: 9,", "4 of 4 updates", "the highest of 2", "after 4"):
        assert words in shown
    described = json.loads(mooring("show", folder, "--json").out)
    assert described["last"]["evaluate"]["step"] == 4
    assert "policies/seed-1.safetensors" in described["files"]
    whole = json.loads(mooring("evaluate", folder, "--episodes", 3, "--json").out)
    one = json.loads(mooring("evaluate", f"{folder}/policies/seed-1.safetensors", "--episodes", 3, "--json").out)
    assert one["returns"] == whole["returns"][1:]
    assert one["members"] == whole["members"][1:]
    assert whole["env"] == "mooring/Pointmass-easy-v0"
    table = mooring("evaluate", folder, "--sampled", "--seed", 3).out
    assert "10 episodes each, actions sampled" in table
    compared = mooring("compare", ".", "-o", "results.csv").out
    assert "my-maze bc 2 4 return" in " ".join(compared.split())
    with open("results.csv") as file:
        rows = list(csv.DictReader(file))
    where = [(row["method"], row["task"], row["seed"], row["step"], row["run"]) for row in rows]
    assert where == [("bc", "my-maze", str(seed), str(step), "run") for seed in range(2) for step in (2, 4)]
    assert [float(row["mean_return"]) for row in rows[1::2]] == described["last"]["evaluate"]["return"]
    assert mooring("compare", "results.csv").out == compared


@pytest.mark.parametrize("command", ["show", "evaluate"])
def test_a_folder_that_holds_no_run(mooring, tmp_path, command):
    assert mooring(command, tmp_path).err.endswith("holds no run: it has no config.json\n")
    assert mooring(command, "none").code == 2


def test_files_that_are_no_policies(mooring, folder):
    assert mooring("evaluate", f"{folder}/checkpoint.safetensors").err.endswith("as in the run's folder policies/\n")
    Path("foreign.safetensors").write_bytes(b"x" * 100)
    assert mooring("evaluate", "foreign.safetensors").code == 2
    assert mooring("evaluate", folder, "--env", "Hopper-v4x").code == 2


def test_scores_are_grouped_by_settings(capsys):
    members = [{"seed": seed, "settings": {"expectile": value}} for value in (0.7, 0.9) for seed in (0, 1)]
    write_scores(members, [1.0, 3.0, np.nan, 3.0], [10.0, 30.0, np.nan, 30.0], "scores")
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    # t(1) = 12.706 times the standard error 1 (returns) and 10 (scores)
    assert "expectile 0.7 2 2.0 [-10.7, 14.7] 20.0 [-107.1, 147.1] 20.0 [-107.1, 147.1]" in lines
    assert "expectile 0.9 2 1 of 2 diverged 1 of 2 diverged 1 of 2 diverged" in lines


def test_one_policys_interval_is_over_episodes(capsys):
    write_scores([{"seed": 0, "settings": {}}], [[1.0, 3.0]], None, "scores")
    shown = capsys.readouterr().out
    assert "2.0 [-10.7, 14.7]" in shown
    assert "expert" not in shown
