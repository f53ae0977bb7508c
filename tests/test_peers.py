"""The comparison with peers: it measures what is made, trains what is published, and its page says what is known."""

import json
import os
import sys
from argparse import Namespace
from pathlib import Path

import jax
import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))

import peers  # noqa: E402
from contenders import jax_script, ours, page  # noqa: E402
from contenders.pairing import Team, compared  # noqa: E402
from contenders.work import SETTINGS, Work  # noqa: E402

TOY = """
from types import SimpleNamespace
from contenders import protocol

now = [0.0]
protocol.time = SimpleNamespace(perf_counter=lambda: now[0])  # a clock that only updates move

def prepare(work, form):
    def advance(count):
        print("what a library prints is no answer")
        now[0] += count * {"fast": 0.125, "slow": 0.5}[form]
        return count
    return advance

protocol.serve(prepare, lambda: {"toy": "1"})
"""


def team(form: str, log, per_core: bool = False) -> Team:
    command = [sys.executable, "-c", TOY, json.dumps({"method": "td3-bc", "form": form})]
    return Team.start(form, command, per_core, log)


pins = pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system can not pin a process to a core")


@pins
def test_rates_and_ratios_of_two_contenders(tmp_path):
    with (tmp_path / "log").open("w") as log:
        teams = [team("fast", log), team("slow", log)]
        fast, slow = compared(teams, seconds=2.0, rounds=3)
        for each in teams:
            each.end()
    assert (fast["rates"], fast["ratio"]) == ([8.0] * 3, 1.0)
    assert (slow["rates"], slow["ratio"], slow["ratio_range"]) == ([2.0] * 3, 4.0, [4.0, 4.0])
    assert slow["versions"] == {"toy": "1"}
    assert slow["first_update"] > 0
    assert slow["megabytes"] > 1


@pins
def test_processes_on_each_core_add_up(tmp_path):
    cores = len(os.sched_getaffinity(0))
    with (tmp_path / "log").open("w") as log:
        several = team("slow", log, per_core=True)
        (row,) = compared([several], seconds=1.0, rounds=1)
        several.end()
    assert (row["processes"], row["rate"]) == (cores, 2.0 * cores)


@pins
def test_a_contender_that_fails_is_named(tmp_path):
    with (tmp_path / "log").open("w") as log, pytest.raises(RuntimeError, match=r"exit\(3\) ended with 3"):
        Team.start("broken", [sys.executable, "-c", "exit(3)"], False, log)


@pytest.mark.parametrize("method", SETTINGS)
def test_settings_are_the_published_ones(method):
    """What a sweep leaves alone is Mooring's default; and every setting has its place in Mooring."""
    default = type(ours.algorithm(Work.of(method)))()
    assert {name: getattr(default, name) for name in SETTINGS[method]} == SETTINGS[method]


@pytest.mark.every
def test_contenders_count_the_updates_of_all_seeds_and_whole_calls():
    small = {"hidden": (8, 8), "batch_size": 4}
    assert ours.prepare(Work.of("td3-bc", seeds=2, **small), "loop")(3) == 6
    with jax.numpy_rank_promotion("allow"):  # scripts rely on it
        assert jax_script.prepare(Work.of("iql", **small), "one")(3) == 3
        assert jax_script.prepare(Work.of("td3-bc", **small), "eight")(3) == 8


def test_what_is_known_is_not_measured_again():
    everything = list(peers.plan())
    given = Namespace(peer=None, experiment=["table"], method=["iql"], cores="all")
    (first,) = peers.missing(iter(everything), [], given)
    assert first.contenders == tuple(peers.CONTENDERS)
    known = {"experiment": "table", "method": "iql", "changes": {}, "per_core": False}
    line = known | {"results": [{"contender": "Mooring"}, {"contender": "d3rlpy"}]}
    (again,) = peers.missing(iter(everything), [line], given)
    assert set(first.contenders) - set(again.contenders) == {"d3rlpy"}


def test_each_job_is_one_that_its_contender_can_read():
    for comparison in peers.plan():
        for name in comparison.contenders:
            contender = peers.CONTENDERS[name]
            job = json.loads(peers.command(comparison, contender, Path("python"))[-1])
            work = Work.of(job["method"], **job["changes"])
            assert work.seeds == (comparison.changes.get("seeds", 1) if name == "Mooring" else 1)
            assert (BENCHMARKS / "contenders" / f"{contender.module}.py").exists()


def test_the_page_is_what_the_lines_say():
    assert peers.PAGE.read_text(encoding="utf-8") == page.text(peers.results())


def row(contender: str, rate: float) -> dict:
    return {
        "contender": contender,
        "rates": [rate] * 5,
        "rate": rate,
        "ratio": 360 / rate,
        "ratio_range": [1.25, 4.0],
        "first_update": 2.04,
        "megabytes": 1234,
        "versions": {"toy": "1"},
    }


def line(experiment: str, changes: dict, *results: dict) -> dict:
    same = {"method": "td3-bc", "per_core": False, "seconds": 1.5, "date": "2026-11-22", "machine": "a toy"}
    return {"experiment": experiment, "changes": changes, "results": list(results), **same}


def test_a_page_of_known_lines(tmp_path):
    lines = [line("table", {}, row("Mooring", 360.0), row("d3rlpy", 105.0))]
    lines += [line("batch", {"batch_size": size}, row("Mooring", 9000 / size)) for size in (64, 128)]
    text = page.text(lines)
    assert "| td3-bc | 360 | 105 (3.43; 1.25 to 4.00) |" in text
    assert "| td3-bc | 2.0 | 2.0 |" in text
    assert "| 128 | 70 |" in text
    page.draw(lines, tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["batch.svg"]
    assert "TD3+BC by batch size" in (tmp_path / "batch.svg").read_text(encoding="utf-8")
