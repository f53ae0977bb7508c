"""The summary's numbers."""

import json

import numpy as np
import pytest

from mooring.data import Dataset, load
from mooring.data.describe import summary

ROWS = 60


def walk(**changes) -> Dataset:
    """Six sound episodes of ten steps: three terminated (at 7, 10 and 10), the others at a limit of ten."""
    rng = np.random.default_rng(0)
    obs = rng.normal(size=(ROWS, 3)).astype(np.float32)
    last = np.arange(ROWS) % 10 == 9
    next_obs = np.roll(obs, -1, axis=0)
    next_obs[last] = rng.normal(size=(last.sum(), 3))
    terminated = np.isin(np.arange(ROWS), [19, 6, 49])
    columns = {
        "obs": obs,
        "action": rng.uniform(-0.9, 0.9, (ROWS, 2)),
        "reward": rng.normal(size=ROWS),
        "terminated": terminated,
        "truncated": last & ~terminated,
        "next_obs": next_obs,
    }
    return Dataset.build(**(columns | changes))


def test_summary():
    data = walk(score_range=(0.0, 1.0), extra={"tag": np.arange(ROWS)})
    held = summary(data)
    assert held["rows"] == ROWS
    assert held["episodes"] == 7
    assert held["length"] == {"min": 3, "mean": pytest.approx(60 / 7), "max": 10}
    assert held["ends"] == {"terminated": 3, "time limit": 3, "cut off": 1}
    assert held["return"]["mean"] == pytest.approx(data.reward.sum(dtype=np.float64) / 7)
    assert held["score"]["max"] == pytest.approx(100 * data.returns.max())
    assert held["action"]["kind"] == "continuous"
    assert held["action"]["low"] == [-1, -1]
    assert held["obs"]["obs"]["min"] == data.obs.min(axis=0).tolist()
    assert held["extra"] == ["tag"]
    assert json.loads(json.dumps(held)) == held


def test_summary_of_discrete_actions_and_dicts():
    obs = {"room": np.arange(ROWS) % 5, "view": np.zeros((ROWS, 2, 2, 1), np.uint8)}
    held = summary(walk(obs=obs, next_obs=obs, action=np.arange(ROWS) % 3))
    assert held["action"] == {"kind": "discrete", "n": 3, "counts": [20, 20, 20]}
    assert held["obs"]["room"]["n"] == 5
    assert held["obs"]["view"]["shape"] == [2, 2, 1]


def test_real_data(real_data):
    held = summary(load(real_data / "d4rl_format" / "hopper-replay.hdf5"))
    assert held["ends"] == {"terminated": 930, "time limit": 4, "cut off": 1}
    assert held["score"]["max"] == pytest.approx(97.4, abs=0.1)
