"""A sweep on a Ray that is started for it on this machine; skips where Ray is not installed."""

import pytest

pytest.importorskip("ray", reason="needs Ray: pip install 'mooring[ray]'")

from mooring.errors import BadInput
from mooring.sweeping import sweep
from mooring.sweeping.ray import _check_seen, cluster

pytestmark = [pytest.mark.every, pytest.mark.filterwarnings("default")]


def test_jobs_run_fail_and_are_tried_again_on_ray(tmp_path, monkeypatch):
    monkeypatch.setenv("JAX_PLATFORMS", "cpu")
    small = {"hidden": [8], "batch_size": 4}
    recipe = {"data": "pointmass-easy", "steps": 20, "evaluate_every": "none", "watch_every": "none", "recipe": False}
    recipe |= {"bc": small, "td3-bc": small}
    told: list[str] = []
    swept = sweep(recipe, folder=tmp_path / "s", on="ray", tell=told.append)
    assert [outcome.job for outcome in swept.failed] == ["td3-bc-pointmass-easy"]
    assert "takes continuous actions, the data has discrete ones" in swept.failed[0].reason
    assert (tmp_path / "s" / "bc-pointmass-easy" / "policies" / "seed-0.safetensors").exists()
    told.clear()
    sweep(recipe, folder=tmp_path / "s", on="ray", resume=True, tell=told.append)
    assert [line.split(",")[0] for line in told[1:]] == ["1 of 1: td3-bc-pointmass-easy"]


def test_a_folder_that_no_machine_sees_is_refused(tmp_path):
    with cluster("ray", None), pytest.raises(BadInput, match="expected a folder on storage that all nodes share"):
        _check_seen(tmp_path / "absent")
