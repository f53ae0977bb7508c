"""Sweeps for real, in processes: what comes out, what failed, and that a killed one ends as an unbroken one."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from mooring.cli import main
from mooring.data import load, save_npz
from mooring.errors import BadInput
from mooring.evaluation.collecting import collect
from mooring.runs import RunFolder
from mooring.sweeping import sweep

SMALL = {"hidden": [8], "batch_size": 4}
FAST = {"steps": 20, "chunk": 10, "save_every": 10, "watch_every": "none", "recipe": False}


@pytest.fixture(autouse=True)
def quick_processes(monkeypatch, tmp_path_factory):
    """Jobs compile without optimizing, and keep what they compile for each other."""
    monkeypatch.setenv("JAX_PLATFORMS", "cpu")
    monkeypatch.setenv("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")
    monkeypatch.setenv("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", str(tmp_path_factory.getbasetemp() / "compiled"))


def policies(folder):
    """The bytes of every policy of a sweep, by its path."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.glob("*/policies/*"))}


def test_one_job_fails_the_other_does_not_and_only_the_failed_one_is_tried_again(tmp_path):
    save_npz(load("pointmass-easy"), tmp_path / "maze.npz")  # once, which every job would else make anew
    recipe = {"data": str(tmp_path / "maze.npz"), "evaluate_every": 20, "episodes": 1, **FAST}
    recipe |= {"bc": SMALL, "td3-bc": SMALL}  # the latter is not for discrete actions
    told: list[str] = []
    swept = sweep(recipe, folder=tmp_path / "s", workers=2, tell=told.append)
    assert [job.name for job in swept.jobs] == ["bc-maze", "td3-bc-maze"]
    assert told[0] == f"2 jobs of 2 members in {tmp_path}/s: 2 to do, 2 at a time"
    assert sorted(line.partition(": ")[2].split(",")[0] for line in told[1:]) == sorted(job.name for job in swept.jobs)
    (failed,) = swept.failed
    assert failed.reason.startswith("algorithm 'td3-bc': takes continuous actions, the data has discrete ones; use ")
    assert swept.log(failed).read_text().startswith(f"$ mooring train td3-bc {tmp_path}/maze.npz --seeds=0, ")
    assert {(look.method, look.task) for look in collect([swept.table])} == {("bc", "pointmass-easy")}
    assert "bc-maze" in swept.page.read_text()

    before = policies(tmp_path / "s")
    told.clear()
    again = sweep(recipe, folder=tmp_path / "s", workers=1, resume=True, tell=told.append)
    assert told[0] == f"2 jobs of 2 members in {tmp_path}/s: 1 to do, 1 at a time"
    assert told[1].startswith("1 of 1: td3-bc-maze, ")
    assert [outcome.job for outcome in again.failed] == ["td3-bc-maze"]
    assert policies(tmp_path / "s") == before


@pytest.fixture
def file(tmp_path):
    """Data that lack rewards."""
    path = tmp_path / "broken.npz"
    np.savez(path, obs=np.zeros((4, 3), np.float32), action=np.zeros((4, 2), np.float32), terminated=np.zeros(4, bool))
    return str(path)


def test_a_folder_is_resumed_on_request_and_only_for_the_same_sweep(tmp_path, file):
    held = tmp_path / "s"
    held.mkdir()
    recipe = {"data": file, "seeds": 1, "bc": {}}
    (held / "sweep.json").write_text(json.dumps({"recipe": recipe, "jobs": []}))
    with pytest.raises(BadInput, match="s: holds a sweep already; resume it"):
        sweep(recipe, folder=held)
    with pytest.raises(BadInput, match=r"sweep\.json: seeds: its sweep has 1, and 2 is asked for"):
        sweep({**recipe, "seeds": 2}, folder=held, resume=True)
    with pytest.raises(BadInput, match=r"sweep\.json: iql: its sweep has None, and \{\} is asked for"):
        sweep({**recipe, "iql": {}}, folder=held, resume=True)


@pytest.mark.parametrize(
    ("changes", "options", "said"),
    [
        ({"data": "hoper-medium-v2"}, {}, "data set 'hoper-medium-v2': does not exist; did you mean hopper-medium-v2"),
        ({"data": "absent.npz"}, {}, "absent.npz: there is no file absent.npz"),
        ({}, {"on": "slurm"}, "--on: found 'slurm'; expected local, ray or ray://HOST:PORT"),
        ({}, {"workers": 0}, "workers: found 0; expected at least 1"),
    ],
)
def test_what_is_refused_before_anything_is_written(tmp_path, file, changes, options, said):
    with pytest.raises(BadInput) as caught:
        sweep({"data": file, "bc": {}} | changes, folder=tmp_path / "s", **options)
    assert str(caught.value).startswith(said)
    assert not (tmp_path / "s").exists()


RECIPE = """
data = "pointmass-easy"
seeds = 2
steps = 1500
chunk = 50
save_every = 50
evaluate_every = 750
episodes = 2
recipe = false
watch_every = "none"

[dqn]
hidden = [16]
batch_size = 16

[bc]
hidden = [16]
batch_size = 16
learning_rate = [1e-3, 1e-2]
"""


def started(recipe, folder, *more):
    words = ["sweep", str(recipe), "--folder", str(folder), "--workers", "2", *more]
    return subprocess.Popen([sys.executable, "-m", "mooring", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def wait_until(happened, process):
    while not happened() and process.poll() is None:
        time.sleep(0.02)
    assert process.poll() is None, process.communicate()


def running_below(folder):
    """How many processes were given a folder below this one."""
    given = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if path.exists()]
    return sum(f"--folder={folder}/".encode() in words for words in given)


@pytest.mark.every
@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="needs /proc, to see which processes are left")
def test_a_killed_sweep_ends_bit_for_bit_as_an_unbroken_one(tmp_path):
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(RECIPE)
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    unbroken = started(recipe, whole)
    assert (unbroken.communicate()[1], unbroken.returncode) == (b"", 0)

    first = started(recipe, broken)
    wait_until(lambda: list(broken.glob("*/checkpoint.safetensors")), first)
    first.kill()
    first.communicate()
    deadline = time.monotonic() + 20
    while running_below(broken) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert running_below(broken) == 0  # jobs end when their sweep does
    cut_off = [path for path in broken.glob("*/config.json") if RunFolder(path.parent).saved_step() < 1500]
    assert cut_off

    second = started(recipe, broken, "--resume")
    wait_until(lambda: list(broken.glob("bc-*/checkpoint.safetensors")), second)
    second.send_signal(signal.SIGTERM)
    said = second.communicate()[1].decode()
    assert second.returncode == 130
    assert f"go on with: mooring sweep {recipe} --folder {broken} --workers 2 --resume" in said
    assert running_below(broken) == 0

    third = started(recipe, broken, "--resume")
    out = third.communicate()[0].decode()
    assert third.returncode == 0
    assert "pointmass-easy   bc, learning_rate 0.01 " in out
    assert len(policies(whole)) == 6
    assert policies(broken) == policies(whole)
    tables = [collect([folder / "results.csv"]) for folder in (whole, broken)]
    numbers = [sorted((x.method, x.seed, x.step, x.mean_return) for x in looks) for looks in tables]
    assert numbers[0] == numbers[1]
    assert len(numbers[0]) == 12


def test_the_command_tells_what_failed_and_how_to_try_again(tmp_path, monkeypatch, capsys, file):
    monkeypatch.chdir(tmp_path)
    Path("mine.toml").write_text('data = "broken.npz"\n[bc]\n')
    assert main(["sweep", "mine.toml", "--workers", "1"]) == 1
    out = capsys.readouterr().out.splitlines()
    assert out[0] == "1 jobs of 1 members in runs/mine: 1 to do, 1 at a time"
    where = next(index for index, line in enumerate(out) if line == "1 of 1 jobs failed:")
    assert out[where + 1].startswith("  bc-broken: ")
    assert "reward" in out[where + 1]
    assert out[where + 2 :] == [
        "    log: runs/mine/bc-broken/log.txt",
        "    alone: mooring train bc broken.npz --seeds=0, --folder=runs/mine/bc-broken --resume",
        "try them again with: mooring sweep mine.toml --workers 1 --resume",
    ]
