"""A worker's share of the machine, and that a job has it and ends with whoever started it."""

import os
import time
from pathlib import Path

import pytest

from mooring.errors import BadInput
from mooring.sweeping import local
from mooring.sweeping.jobs import Outcome, Running, finished
from mooring.sweeping.local import Share
from mooring.sweeping.packing import Job

needs_affinity = pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="this system pins no process")
JOB = Job("bc-quickstart", ("bc", "quickstart", "--steps=1000000"), 1)


def cores(monkeypatch, *present):
    monkeypatch.setattr(local, "_devices", lambda: ("cpu", 1))
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(present), raising=False)


def test_workers_share_the_cores_that_this_process_has(monkeypatch):
    cores(monkeypatch, 1, 2, 5, 6, 7)
    assert [set(share.cores) for share in local.local(None).shares] == [{1}, {2}, {5}, {6}, {7}]
    assert [set(share.cores) for share in local.local(2).shares] == [{1, 2}, {5, 6, 7}]
    assert [set(share.cores) for share in local.local(6).shares] == [set()] * 6
    assert not local.local(None).together


def test_each_gpu_that_this_process_has_is_a_worker(monkeypatch):
    monkeypatch.setattr(local, "_devices", lambda: ("gpu", 3))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,5,7")
    shares = local.local(None).shares
    assert [dict(share.environment) for share in shares] == [{"CUDA_VISIBLE_DEVICES": name} for name in "457"]
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    found = local.local(2)
    assert [share.environment for share in found.shares] == [
        {"CUDA_VISIBLE_DEVICES": "0"},
        {"CUDA_VISIBLE_DEVICES": "1"},
    ]
    assert found.together
    with pytest.raises(BadInput, match="--workers: found 4; expected at most 3, as a device runs one job at a time"):
        local.local(4)


def test_devices_are_those_that_jax_finds(monkeypatch):
    monkeypatch.setenv("JAX_PLATFORMS", "")
    assert local._devices()[0] in ("cpu", "gpu", "tpu")


@needs_affinity
def test_a_job_has_its_workers_cores_and_environment_and_stops(tmp_path, monkeypatch):
    monkeypatch.setenv("XLA_FLAGS", "--xla_one=1 --xla_force_host_platform_device_count=7")
    core = max(os.sched_getaffinity(0))
    running = Share(frozenset({core}), {"MINE": "4", "XLA_FLAGS": "--xla_two=2"}).start(JOB, tmp_path)
    try:
        assert os.sched_getaffinity(running.process.pid) == {core}
        environment = Path(f"/proc/{running.process.pid}/environ")
        while not (told := environment.read_bytes()):  # the program is being put in its place
            time.sleep(0.01)
        assert {b"MINE=4", b"XLA_FLAGS=--xla_one=1 --xla_two=2"} <= set(told.split(b"\0"))
    finally:
        running.stop()
    assert running.process.returncode < 0
    assert not finished(JOB, tmp_path)


def test_a_job_ends_when_the_other_end_of_its_input_is_gone(tmp_path):
    running = Running(JOB, tmp_path, {})
    running.process.stdin.close()
    with pytest.raises(BadInput, match="bc-quickstart: is being trained by another process; wait for it, or end it"):
        Running(JOB, tmp_path, {})
    assert running.outcome().reason
    Running(JOB, tmp_path, {}).stop()
    assert running.log.read_text().splitlines()[0] == f"$ {JOB.typed(tmp_path)}"


def test_a_killed_job_is_told_as_such(tmp_path):
    running = Running(JOB, tmp_path, {})
    running.process.kill()
    outcome = running.outcome()
    assert outcome.reason == "ended by SIGKILL, as a system does that is out of memory"
    assert not finished(JOB, tmp_path)
    Outcome(JOB.name, 1.0).save(tmp_path)
    assert finished(JOB, tmp_path)
