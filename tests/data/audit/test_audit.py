"""The report as a whole: clean data pass, every known fault is caught, what can not be loaded is named."""

import json

import numpy as np
import pytest
from logs import FIND, ROWS, drift, walk

import mooring
from mooring import registry
from mooring.data import Dataset, load
from mooring.data.audit import CHECKS, Finding, Report, audit
from mooring.data.audit.faults import FAULTS, SILENT
from mooring.data.audit.raw import refused
from mooring.errors import BadInput

SHIPPED = ("quickstart", "pointmass-easy")
REAL = (
    *(f"d4rl_format/{name}.hdf5" for name in ("halfcheetah-mixed", "hopper-medium", "hopper-random", "hopper-replay")),
    *(f"neorl2/{name}.npz" for name in ("DMSD-high-20000-val", "SafetyHalfCheetah-high-100000-train")),
)
BLIND = {
    ("neorl2/DMSD-high-20000-val.npz", "rewards a row late"),
    ("neorl2/DMSD-high-20000-val.npz", "rewards a row early"),
}


@pytest.fixture(scope="module")
def shipped() -> dict[str, Dataset]:
    return {name: load(name) for name in SHIPPED}


def caught(fault: str, data: Dataset) -> bool | None:
    """Whether a check objects to data with the fault; None where it can not be put in."""
    wrong = FAULTS[fault].inject(data)
    if wrong is None:
        return None
    findings = [finding for check in FAULTS[fault].checks for finding in FIND[check](wrong)]
    return any(finding.level in ("warning", "failure") for finding in findings)


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_data_pass(shipped, name):
    report = audit(shipped[name])
    assert report.verdict == "pass", report.at("warning", "failure")
    assert {finding.check for finding in report.findings} == {check.name for check in CHECKS}
    assert json.loads(json.dumps(report.to_dict()))["verdict"] == "pass"


@pytest.mark.parametrize("fault", FAULTS)
def test_every_fault_is_caught_in_shipped_data(shipped, fault):
    answers = [caught(fault, data) for data in shipped.values()]
    assert False not in answers
    assert True in answers


def test_seven_are_silent():
    assert len(SILENT) == 7


@pytest.mark.parametrize("name", REAL)
def test_real_data_pass(real_data, name):
    report = audit(real_data / name)
    assert report.verdict == "pass", report.at("warning", "failure")


@pytest.mark.parametrize("name", REAL)
def test_faults_are_caught_in_real_data(real_data, name):
    data = load(real_data / name)
    missed = {fault for fault in SILENT if caught(fault, data) is False}
    assert missed == {fault for blind, fault in BLIND if blind == name} & set(SILENT)


def test_the_verdict_is_the_worst_level():
    findings = [Finding(level, "obs", "") for level in ("pass", "note", "warning", "failure")]
    verdicts = [Report("x", tuple(findings[: count + 1])).verdict for count in range(4)]
    assert verdicts == ["pass", "pass", "warning", "failure"]


def test_worst_findings_come_first():
    levels = [finding.level for finding in audit(walk(reward=np.zeros(ROWS))).findings]
    assert levels[0] == "warning"
    assert levels == sorted(levels, key=["failure", "warning", "note", "pass"].index)


def test_suggestions_are_algorithms_for_these_actions():
    for data in (drift(0.1), drift(20.0), walk(action=np.arange(ROWS) % 3), walk(reward=np.arange(ROWS) == 7)):
        suggestions = audit(data).suggestions
        kind = "continuous" if data.action.ndim == 2 else "discrete"
        assert all(kind in registry.find(each.algorithm, kind).actions for each in suggestions)
        assert [each.algorithm for each in suggestions][-1] == "bc"
        assert 1 < len(suggestions) <= 4


def test_the_public_verb():
    assert mooring.audit(walk()).verdict == "pass"


@pytest.mark.parametrize("obs", ["images", "parts", "numbers"])
def test_other_observations_are_audited_too(obs):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 255, (ROWS + 1, 4, 4, 1), np.uint8)
    kinds = {"images": images, "numbers": rng.integers(0, 9, ROWS + 1)}
    kinds["parts"] = {"view": images, "joints": rng.normal(size=(ROWS + 1, 2)), "room": kinds["numbers"]}
    whole = kinds[obs]
    cut = lambda rows: {key: part[rows] for key, part in whole.items()} if isinstance(whole, dict) else whole[rows]
    terminated = np.zeros(ROWS)
    sound = Dataset.build(
        cut(slice(0, -1)), np.arange(ROWS) % 3, rng.normal(size=ROWS), terminated, next_obs=cut(slice(1, None))
    )
    assert audit(sound).verdict == "pass"


def columns() -> dict[str, np.ndarray]:
    data = walk()
    terminated = data.continues == 0
    return {
        "obs": data.obs,
        "action": data.action,
        "reward": data.reward,
        "terminated": terminated,
        "truncated": data.last & ~terminated,
    }


def refusal(path) -> Report:
    with pytest.raises(BadInput) as error:
        load(path)
    return refused(path, error.value)


def test_every_column_with_numbers_that_are_not_finite_is_named(tmp_path):
    broken = columns()
    broken["obs"][[3, 8], 1] = np.nan
    broken["reward"][5] = np.inf
    np.savez(tmp_path / "broken.npz", **broken)
    report = refusal(tmp_path / "broken.npz")
    assert report.verdict == "failure"
    places = {(finding.field, finding.row, finding.count) for finding in report.found("finite numbers")}
    assert places == {("obs", 3, 2), ("reward", 5, 1)}


def test_observations_of_whole_episodes_are_told_apart(tmp_path):
    longer = columns()
    longer["obs"] = np.zeros((ROWS + 7, 3))
    np.savez(tmp_path / "longer.npz", **longer)
    (finding,) = refusal(tmp_path / "longer.npz").found("rows")
    assert "one more for each of 7 episodes" in finding.text
    assert "from_episodes" in finding.fix


def test_what_can_not_be_read_is_refused(tmp_path):
    (tmp_path / "damaged.npz").write_bytes(b"no zip")
    for path in ("none.npz", "damaged.npz"):
        with pytest.raises(BadInput):
            refusal(tmp_path / path)
