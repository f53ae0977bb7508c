"""The page about runs: every section that a run can fill, sentences for what it lacks, nothing unescaped."""

import json
import re
import sys

import numpy as np
import pytest
from test_page import Elements

from mooring.errors import BadInput
from mooring.report import filmed
from mooring.report.gathered import gather
from mooring.report.runs_page import page
from mooring.report.writing import report
from run_folders import write_run

EVIL = "<script>alert(1)</script>"
ESTIMATES = {
    "command": "mooring estimate runs/a --estimators fqe,wdr",
    "data": EVIL,
    "discount": 0.99,
    "behavior": {"value": 10.0, "low": 8.0, "high": 12.0},
    "estimates": [
        {
            "name": "wdr",
            "value": 15.0,
            "low": 13.0,
            "high": 17.0,
            "difference": {"value": 5.0, "low": 2.5, "high": 7.5},
            "effective_size": 3.5,
            "warnings": [EVIL],
            "verdict": "better",
        },
        {
            "name": "pdis",
            "value": None,
            "low": None,
            "high": None,
            "effective_size": None,
            "warnings": [],
            "verdict": "data does not support",
        },
    ],
    "verdict": "cannot tell",
    "agreement": "two of two disagree",
}


def sections(text: str) -> dict[str, str]:
    """The bodies of the page by title."""
    parts = re.findall(r"<section id=\"[^\"]*\">\n<h2>(.*?)</h2>\n(.*?)</section>", text, re.DOTALL)
    return dict(parts)


@pytest.fixture
def runs(tmp_path):
    return [
        write_run(tmp_path / "a", "iql"),
        write_run(tmp_path / "b", "bc", ((5.0, 6.0), (7.0, 8.0), (9.0, 9.5))),
    ]


def test_the_page_is_whole_and_needs_nothing_else(runs):
    (runs[0] / "estimates.json").write_text(json.dumps(ESTIMATES))
    text = page(gather(runs), filmed=0, audited=False)
    elements = Elements(text)
    assert all(link.startswith(("#", "data:")) for link in elements.links)
    assert elements.seen.count("script") == 1
    assert EVIL not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
    assert "<td>15 [13, 17]</td><td>5 [2.5, 7.5]</td><td>better</td><td>3.5</td>" in text
    titles = sections(text)
    assert list(titles) == [
        "Scores",
        "Learning curves",
        "Compared",
        "From logs alone",
        "Divergence watch",
        "While training",
        "How it was made",
    ]
    for title in titles:
        assert f'href="#{title.lower().replace(" ", "-")}"' in text
    for command in ("mooring train iql pointmass-easy", "mooring evaluate", ESTIMATES["command"]):
        assert f"<code>{command}" in text


def test_scores_are_those_of_the_last_evaluation(runs):
    body = sections(page(gather(runs), filmed=0, audited=False))["Scores"]
    # t(1) = 12.706 times the standard error 2 of (30, 34)
    assert "32 [6.59, 57.4]" in body
    assert "<td>32 after 3,000</td>" in body


def test_a_diverged_seed_is_told(tmp_path):
    run = write_run(tmp_path / "a", scores=((1.0, 2.0), (3.0, 4.0), (5.0, np.nan)))
    body = sections(page(gather([run]), filmed=0, audited=False))["Scores"]
    assert "diverged" in body
    assert "3.5 after 2,000" in body


def look(step, implied, seem):
    """A row of the divergence watch, of two members."""
    numbers = {"implied": implied, "seem": seem, "q": [5.0, 5.0], "bound": [9.0, 9.0], "gap": [0.0, 0.0]}
    return {"stage": "main", "step": step, "kind": "watch", **numbers, "dead": [0.0, 0.0], "light": [0.0, 0.0]}


def test_the_worst_seed_decides_the_light(tmp_path):
    calm = [look(step, [0.5, 0.5], [-0.1, -0.1]) for step in (1000, 2000)]
    wild = [look(step, [0.5, 4.0], [-0.1, 3.0]) for step in (1000, 2000)]
    runs = [
        write_run(tmp_path / "a", more=calm),
        write_run(tmp_path / "b", "bc", more=wild),
        write_run(tmp_path / "c", "cql"),
    ]
    body = sections(page(gather(runs), filmed=0, audited=False))["Divergence watch"]
    assert "<span>Green</span> iql on pointmass-easy" in body
    assert "<span>Red</span> bc on pointmass-easy" in body
    assert '<p class="fix">keep the policy nearer to the data' in body
    assert "no critics of cql were watched" in body
    assert "<td>2.25 [0.5, 4]</td>" in body


def test_tasks_are_taken_together_where_methods_share_them(tmp_path):
    runs = [write_run(tmp_path / f"{name}-{data}", name, data=data) for name in ("iql", "bc") for data in ("x", "y")]
    body = sections(page(gather(runs), filmed=0, audited=False))["Compared"]
    for title in ("2 tasks: IQM", "2 tasks: median", "2 tasks: optimality gap", "2 tasks: performance profiles"):
        assert f"<h3>{title}</h3>" in body
    assert "2 tasks: probability that iql improves on others" in body
    alone = page(gather(runs[:1] + runs[3:]), filmed=0, audited=False)
    assert "Fewer than two methods were scored on every task" in alone


def test_what_a_run_lacks_is_said(tmp_path):
    run = write_run(tmp_path / "bare", evaluated=False, origin="gone.npz")
    (run / "metrics.jsonl").unlink()
    found = sections(page(gather([run]), filmed=1, audited=True))
    assert list(found) == [
        "Scores",
        "From logs alone",
        "Divergence watch",
        "While training",
        "Films",
        "Data",
        "How it was made",
    ]
    assert f"<code>mooring evaluate {run}</code>" in found["Scores"]
    assert f"<code>mooring estimate {run}</code>" in found["From logs alone"]
    assert "no critics of iql were watched" in found["Divergence watch"]
    assert "nothing was logged" in found["While training"]
    assert "No film of bare: seed-0: bare: has no policies yet" in found["Films"]
    assert "No audit of pointmass-easy: " in found["Data"]


@pytest.mark.parametrize(
    ("origin", "words"),
    [
        (None, "was made in Python"),
        ("evil.py:load", "is code, which is not run unasked"),
        ("quickstart", "holds other data now"),
    ],
)
def test_data_that_can_not_be_had(tmp_path, origin, words):
    run = write_run(tmp_path / "a", origin=origin)
    assert words in sections(page(gather([run]), filmed=0))["Data"]


def test_an_environment_that_is_code_is_not_run(tmp_path):
    evil = f"{tmp_path}/evil.py:make"
    run = write_run(tmp_path / "a", env=evil, evaluate={"env": evil, "episodes": 1})
    assert "is code, which is not run unasked" in sections(page(gather([run]), filmed=1, audited=False))["Films"]


def test_a_missing_simulator_is_a_sentence(runs, monkeypatch):
    def absent(path):
        raise ModuleNotFoundError("No module named 'gymnasium'")

    policies = runs[0] / "policies"
    policies.mkdir()
    (policies / "seed-0.safetensors").touch()
    monkeypatch.setattr(filmed, "load_policy", absent)
    body = sections(page(gather(runs), filmed=1, audited=False))["Films"]
    assert "No film of a: seed-0: No module named" in body
    assert "mooring[mujoco]" in body


def test_damaged_estimates_are_bad_input(runs):
    (runs[0] / "estimates.json").write_text("{")
    with pytest.raises(BadInput, match="is damaged"):
        page(gather(runs), filmed=0, audited=False)
    (runs[0] / "estimates.json").write_text(json.dumps(ESTIMATES | {"estimates": [{"name": "wdr"}]}))
    with pytest.raises(BadInput, match="KeyError: 'value'"):
        page(gather(runs), filmed=0, audited=False)


def test_report_writes_a_page(runs, tmp_path):
    file = report(runs[0], tmp_path / "new" / "page.html", films=0, audit=False)
    assert "Scores" in sections(file.read_text(encoding="utf-8"))


@pytest.mark.every
def test_report_draws_for_papers(runs, tmp_path):
    pytest.importorskip("matplotlib")
    report(runs, tmp_path / "page.html", films=0, audit=False, figures=tmp_path / "figures")
    names = {path.name for path in (tmp_path / "figures").iterdir()}
    stems = ("pointmass-easy-learning-curves", "pointmass-easy-scores", "profiles_last", "improvement")
    assert names > {f"{stem}.{kind}" for stem in stems for kind in ("png", "svg")}


def test_a_missing_plotter_is_bad_input(runs, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(BadInput, match=r"mooring\[plot\]"):
        report(runs, tmp_path / "page.html", films=0, audit=False, figures=tmp_path / "figures")


def test_bad_requests(runs, tmp_path):
    with pytest.raises(BadInput, match="is a folder"):
        report(runs, tmp_path)
    with pytest.raises(BadInput, match="films"):
        report(runs, tmp_path / "page.html", films=-1)
