"""The summary's numbers, and one finding for each thing that the audit knows."""

import json

import numpy as np
import pytest

from mooring.data import Dataset, load
from mooring.data.describe import audit, summary

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


def findings(data: Dataset) -> list[tuple[str, str]]:
    return [(finding.level, finding.field) for finding in audit(data)]


def test_sound_data_have_no_findings():
    assert audit(walk()) == []


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


def with_entry(column: np.ndarray, place, value) -> np.ndarray:
    changed = column.copy()
    changed[place] = value
    return changed


def test_findings():
    data = walk()
    assert findings(walk(reward=np.full(ROWS, 2.0))) == [("warning", "reward")]
    slipped = with_entry(data.next_obs, 4, 0.0)
    assert ("warning", "next_obs") in findings(walk(next_obs=slipped))
    assert "first row 4" in audit(walk(next_obs=slipped))[0].text
    assert ("note", "last") in findings(walk().select([0, 1]))
    constant = {
        "obs": with_entry(data.obs, (slice(None), 1), 3),
        "next_obs": with_entry(data.next_obs, (slice(None), 1), 3),
    }
    assert findings(walk(**constant)) == [("note", "obs")]
    assert findings(walk(action=with_entry(data.action, (slice(None), 1), 0.5))) == [("warning", "action")]
    assert findings(walk(action=with_entry(data.action, slice(0, 30), 1.0))) == [("note", "action")]


def test_episodes_of_one_step():
    assert findings(walk(terminated=np.ones(ROWS), truncated=None)) == []


def test_an_observation_far_out_is_named():
    rows = 5000
    obs = np.random.default_rng(1).normal(size=(rows, 2))
    obs[77, 1] = 1e4
    data = Dataset.build(obs, np.zeros(rows, int), obs[:, 0], np.zeros(rows))
    far = next(finding for finding in audit(data) if finding.level == "warning")
    assert far.field == "obs"
    assert "entry 1 is 10000 in row 77" in far.text


def test_repeated_rows():
    data = walk()
    twice = data.select([0, 1, 2, 3, 4, 5, 6, 0, 1])
    found = next(finding for finding in audit(twice) if finding.field == "obs")
    repeated = data.lengths[:2].sum() / (ROWS + data.lengths[:2].sum())
    assert found.text.startswith(f"{repeated:.1%} of the rows repeat")


def test_time_limits_written_as_terminals():
    last = np.arange(ROWS) % 10 == 9
    assert ("warning", "terminated") in findings(walk(terminated=last, truncated=np.zeros(ROWS)))


def test_discrete_actions_that_are_never_taken():
    assert findings(walk(action=np.arange(ROWS) % 3 * 2)) == [("note", "action")]


def test_real_data(real_data):
    held = summary(load(real_data / "d4rl_format" / "hopper-replay.hdf5"))
    assert held["ends"] == {"terminated": 930, "time limit": 4, "cut off": 1}
    assert held["score"]["max"] == pytest.approx(97.4, abs=0.1)
    assert findings(load(real_data / "d4rl_format" / "hopper-replay.hdf5")) == [("note", "last")]
