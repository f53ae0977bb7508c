"""`mooring estimate` and `mooring select`, on runs of a table of states and of a maze."""

import json
from pathlib import Path

import pytest

from mooring.cli import main

EXAMPLES = Path(__file__).parents[2] / "examples"
LOGS = """
import numpy as np
from mooring.ope.tabular.random_mdps import TabularMDP

MDP = TabularMDP.random(np.random.default_rng(0), states=6, actions=3, horizon=8)

def load():
    return MDP.simulate(np.full((6, 3), 1 / 3), 1500, np.random.default_rng(1))
"""


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder with two runs: cloning of all episodes, and of the best fifth."""
    folder = tmp_path_factory.mktemp("runs")
    (folder / "logs.py").write_text(LOGS)
    words = (f"{folder}/logs.py:load", "--steps", "300", "--hidden", "16", "--quiet", "--learning-rate", "0.003")
    assert main(["train", "bc", *words, "-o", f"{folder}/all"]) == 0
    assert main(["train", "bc", *words, "--top", "0.2", "--seeds", "2", "-o", f"{folder}/best"]) == 0
    return folder


@pytest.fixture
def runs(mooring, trained, monkeypatch):
    monkeypatch.chdir(trained)
    return "all", "best"


def test_estimates_are_shown_and_kept(mooring, runs):
    shown = mooring("estimate", "best", "--sampled", "--discount", 0.95).out
    assert shown.count("verdict: better") == 2
    assert "(behavior)" in shown
    assert "estimators are sound, and agree" in shown
    kept = json.loads(Path("best/estimates.json").read_text())
    assert kept["command"] == "mooring estimate best --sampled --discount 0.95"
    assert {each["name"] for each in kept["estimates"]} >= {"wdr, seed-0", "dm, seed-1"}
    assert kept["verdict"] == "better"


def test_one_members_estimates_have_their_own_names(mooring, runs):
    said = json.loads(mooring("estimate", "all", "--sampled", "--estimators", "wdr, mis", "--json").out)
    assert [each["name"] for each in said["estimates"]] == ["wdr", "mis"]
    assert said == json.loads(Path("all/estimates.json").read_text())


def test_policies_in_order(mooring, runs):
    shown = mooring("select", *runs, "--sampled").out
    assert shown.index("best seed-") < shown.index("all seed-0")
    assert "estimators agree on the order by" in shown


@pytest.mark.every
def test_the_order_is_held_against_returns_where_one_can_act(mooring):
    words = (f"{EXAMPLES}/my_data.py:load", "--steps", 4, "--hidden", 8, "--seeds", 2, "-o", "run", "--quiet")
    assert mooring("train", "bc", *words).code == 0
    asked = ("--estimators", "dm", "--updates", 4, "--episodes", 2, "--budget", 8)
    said = json.loads(mooring("select", "run", *asked, "--json").out)
    assert len(said["policies"]) == 2
    assert [len(each) for each in said["truth"]["returns"]] == [2, 2]
    assert sum(len(each) for each in said["contest"]["returns"]) == 8
    shown = mooring("select", "run", *asked).out
    assert "rank correlation with what they got" in shown
    assert "the first is ahead of the second by" in shown


def test_estimators_are_listed(mooring):
    assert "wpdis" in mooring("estimate", "--list").out


@pytest.mark.parametrize(
    ("words", "trouble"),
    [
        (("estimate",), "no run was named"),
        (("estimate", "none"), "holds no run"),
        (("estimate", "all", "--estimators", "wdrr"), "did you mean"),
        (("estimate", "all", "--interval", "tt"), "interval 'tt'"),
        (("select", "all"), "two or more to choose from"),
        (("select", "all", "best", "--episodes", 2), "names no environment"),
    ],
)
def test_what_is_wrong_is_said_in_a_line(mooring, runs, words, trouble):
    outcome = mooring(*words)
    assert outcome.code == 2
    assert trouble in outcome.err
    assert outcome.err.count("\n") == 1


def test_a_users_own_algorithm_is_run_when_it_is_named(mooring, trained, monkeypatch):
    monkeypatch.chdir(trained)
    words = ("logs.py:load", "--steps", 4, "--hidden", 8, "--quiet", "-o", "own")
    assert mooring("train", f"{EXAMPLES}/my_algorithm.py:HuberIQL", *words).code == 0
    asked = ("estimate", "own", "--sampled", "--estimators", "wdr")
    assert "--algorithm" in mooring(*asked).err
    assert mooring(*asked, "--algorithm", f"{EXAMPLES}/my_algorithm.py:HuberIQL").code == 0
