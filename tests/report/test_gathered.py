"""Runs brought together: tasks, and names that tell methods apart."""

import json

import numpy as np
import pytest

from mooring.errors import BadInput
from mooring.report.gathered import Run, gather
from run_folders import write_run

SCORES = ((5.0, 6.0), (7.0, 8.0), (9.0, 9.5))


def names(*folders) -> dict[str, list[str]]:
    return {task.name: list(task.groups) for task in gather(folders)}


def test_runs_are_brought_together_by_task(tmp_path):
    runs = [
        write_run(tmp_path / "a", "iql"),
        write_run(tmp_path / "b", "bc"),
        write_run(tmp_path / "c", "bc", data="other"),
        write_run(tmp_path / "d", "bc", evaluate={"env": "mooring/Pointmass-hard-v0", "episodes": 4}),
        write_run(tmp_path / "e", "bc", fingerprint="e" * 64),
    ]
    assert names(*runs) == {
        "pointmass-easy ffffffff": ["iql", "bc"],
        "other": ["bc"],
        "pointmass-easy eeeeeeee": ["bc"],
        "pointmass-easy in mooring/Pointmass-hard-v0": ["bc"],
    }


def test_methods_are_told_apart_by_what_was_set_otherwise_then_by_folder(tmp_path):
    runs = [
        write_run(tmp_path / "a"),
        write_run(tmp_path / "b", settings={"expectile": 0.9}),
        write_run(tmp_path / "c", settings={"expectile": 0.9}),
        write_run(tmp_path / "d", online={"cast_off": 2000}),
    ]
    assert names(*runs)["pointmass-easy"] == [
        "iql, expectile 0.7",
        "iql, expectile 0.9 (b)",
        "iql, expectile 0.9 (c)",
        "iql cast off",
    ]


def test_seeds_of_several_runs_are_taken_together(tmp_path):
    runs = [write_run(tmp_path / "a"), write_run(tmp_path / "b", scores=SCORES, seeds=(2, 3))]
    (task,) = gather(runs)
    assert list(task.groups) == ["iql"]
    assert task.groups["iql"].curve("score")[1].tolist() == [[1, 2, 5, 6], [10, 12, 7, 8], [30, 34, 9, 9.5]]
    assert task.groups["iql"].runs == task.runs


def test_runs_with_other_looks_are_not_taken_together(tmp_path):
    runs = [write_run(tmp_path / "a"), write_run(tmp_path / "b", seeds=(2, 3), evaluated=False)]
    (task,) = gather(runs)
    assert list(task.groups) == ["iql (a)", "iql (b)"]
    assert list(task.evaluated) == ["iql (a)"]


def test_swept_settings_are_groups_of_seeds(tmp_path):
    (task,) = gather([write_run(tmp_path / "a", swept=({"expectile": 0.7}, {"expectile": 0.9}))])
    assert list(task.groups) == ["iql, expectile 0.7", "iql, expectile 0.9"]
    steps, values = task.groups["iql, expectile 0.9"].curve("score")
    assert steps.tolist() == [1000, 2000, 3000]
    assert values.tolist() == [[1, 2], [10, 12], [30, 34]]
    assert task.measure == "score"


def test_folders_of_one_name_and_folders_named_twice(tmp_path):
    first, second = write_run(tmp_path / "x" / "run"), write_run(tmp_path / "y" / "run", "bc")
    (task,) = gather([first, second, first])
    assert [run.name for run in task.runs] == ["x/run", "y/run"]


def test_the_command_that_made_a_run(tmp_path):
    ours = write_run(tmp_path / "a", command=["/v/bin/mooring", "train", "iql", "my data"])
    script = write_run(tmp_path / "b", command=["study.py", "--fast"])
    assert Run.read(ours).command == "mooring train iql 'my data'"
    assert Run.read(script).command == "python study.py --fast"


def test_a_run_that_logged_nothing(tmp_path):
    folder = write_run(tmp_path / "a")
    (folder / "metrics.jsonl").unlink()
    (task,) = gather([folder])
    assert task.evaluated == {}
    assert np.shape(task.groups["iql"].curve("q", "train")[0]) == (0,)


def test_bad_folders(tmp_path):
    with pytest.raises(BadInput, match="no run was named"):
        gather([])
    with pytest.raises(BadInput, match="holds no run"):
        gather([tmp_path])
    damaged = write_run(tmp_path / "damaged")
    (damaged / "metrics.jsonl").write_text("{broken\n")
    with pytest.raises(BadInput, match=r"metrics.jsonl: is damaged"):
        gather([damaged])
    foreign = write_run(tmp_path / "foreign")
    (foreign / "config.json").write_text(json.dumps({"name": "of another tool"}))
    with pytest.raises(BadInput, match="lacks 'algorithm'"):
        gather([foreign])
