"""`mooring compare`, on tables; on the folder of a run in test_show.py, where there is one."""

import json
from pathlib import Path

import pytest

from mooring.evaluation.results import Look, write


def table(name, methods, seeds=4, tasks=("hopper", "maze"), steps=(100, 200)):
    """A table in which each method's scores lie around its level and fall a little at the last step."""
    looks = [
        Look(method, task, seed, step, 10, level + seed, level + seed - step / 100, "elsewhere")
        for method, level in methods.items()
        for task in tasks
        for seed in range(seeds)
        for step in steps
    ]
    write(looks, name)
    return name


def lines(text):
    return [" ".join(line.split()) for line in text.splitlines()]


def test_methods_against_each_other(mooring):
    found = lines(mooring("compare", table("a.csv", {"bc": 20.0, "iql": 60.0})).out)
    assert "hopper bc 4 200 score 19.5 [17.4, 21.6] 19.5 [16.9, 22.1] 19.5 [17.4, 21.6] 80.5 [78.4, 82.6]" in found
    assert any(line.startswith("all 2 tasks iql 4 200 score 59.5") for line in found)
    assert any(line.startswith("bc iql 2 0.00 [0.00, 0.32] -40.0") and line.endswith("worse") for line in found)
    assert "Best evaluation of each seed, which is too high: the same episodes chose it and score it" in found
    assert not any(line.startswith("Doubtful") for line in found)
    early = json.loads(mooring("compare", "a.csv", "--at", 150, "--json").out)
    assert early["last"][0]["updates"] == 100
    assert early["last"][0]["estimates"]["mean"]["value"] == 20.5
    assert early["duels"][0]["verdict"] == "worse"


def test_nonsense_is_flagged_or_refused(mooring):
    table("a.csv", {"bc": 20.0}, seeds=1, tasks=("hopper",))
    table("b.jsonl", {"iql": 60.0}, steps=(50,), tasks=("hopper",))
    table("c.csv", {"cql": 60.0}, tasks=("maze",))
    found = lines(mooring("compare", "a.csv", "b.jsonl", "c.csv").out)
    assert "hopper bc 1 200 score 18.0 18.0 18.0 82.0" in found  # no brackets: one seed bounds nothing
    assert any(line.startswith("bc iql 1 0.00 [0.00, 1.00] -43.0") and line.endswith("cannot tell") for line in found)
    assert "Doubtful: bc on hopper has one seed: nothing tells how another would do." in found
    assert "Doubtful: hopper, updates at the last evaluation: 50 (iql), 200 (bc)." in found
    assert "Doubtful: cql was not run on hopper." in found
    assert mooring("compare").code == 2
    assert "holds no run" in mooring("compare", "elsewhere").err
    assert "within 10 updates" in mooring("compare", "a.csv", "--at", 10).err
    assert "a name that ends in .csv or .jsonl" in mooring("compare", "a.csv", "-o", "a.xls").err


def test_plots(mooring):
    pytest.importorskip("matplotlib")
    write([Look(method, "maze", seed, 1, 10, 1.0, None, "elsewhere") for method in "ab" for seed in (0, 1)], "raw.csv")
    assert mooring("compare", "raw.csv", "--plots", "plots").code == 0
    assert sorted(file.name for file in Path("plots").iterdir()) == ["improvement.png", "improvement.svg"]


def test_where_the_last_is_the_best_one_table_tells_it(mooring):
    shown = mooring("compare", table("a.csv", {"bc": 20.0}, steps=(5,))).out
    assert "Best evaluation" not in shown
    assert "The best evaluation of each seed is its last." in shown
