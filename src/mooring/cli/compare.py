"""`mooring compare RUN...`: methods side by side, on each task and over all, and one against another."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite
from typing import TYPE_CHECKING

from mooring.cli.output import write, write_json, write_table
from mooring.cli.parsing import Parser, add_settings, given
from mooring.registry import Setting

if TYPE_CHECKING:
    from mooring.evaluation.statistics import Estimate
    from mooring.evaluation.summary import Duel, Line, Summary

OWN = (
    Setting("at", "Count | None", None, help="compare after so many updates; else after as many as each run has"),
    Setting("output", "str | None", None, help="write every evaluation to this file, .csv or .jsonl"),
    Setting("plots", "str | None", None, help="write plots into this folder, as PNG and SVG"),
)
LAST = "Last evaluation"
BEST = "Best evaluation of each seed, which is too high: the same episodes chose it and score it"
DUELS = "One against another, last evaluation"
NOTES = (
    "Brackets: 95 % intervals over seeds. Scores: a random policy has 0, an expert 100.",
    "Over tasks the median is that of their means.",
    "P: how probable it is that a run of the method beats one of the other on a task drawn at random. Better or worse: "
    "its interval leaves out one half, which takes 4 runs of each at least. Pairs are not corrected for their number.",
)


def run(words: Sequence[str]) -> int:
    parser = Parser(
        "mooring compare",
        usage="mooring compare RUN... [options]",
        description="Compares what the methods of many runs got: seeds of one method may lie in several folders.",
        epilog="As in: mooring compare runs/iql-* runs/bc-* -o results.csv",
    )
    run_help = "the folder of a run, a folder of such folders, or a table that --output wrote"
    parser.add_argument("runs", metavar="RUN", nargs="+", help=run_help)
    parser.add_argument("-o", dest="output", metavar="TEXT", help="short for --output")
    parser.add_argument("--json", action="store_true", help="print all statistics as JSON")
    add_settings(parser, "comparison", OWN)
    options = parser.read(words)
    own = given(options, OWN)

    from mooring.evaluation.collecting import collect
    from mooring.evaluation.results import until
    from mooring.evaluation.results import write as write_looks
    from mooring.evaluation.summary import summary

    looks = collect(options.runs)
    if "output" in own:
        write_looks(looks, own["output"])
    if "at" in own:
        looks = until(looks, own["at"])
    found = summary(looks)
    if options.json:
        write_json(found.to_json())
    else:
        write_summary(found)
    if "plots" in own:
        from mooring.report.comparison_plots import save_all

        save_all(looks, own["plots"])
    return 0


def write_summary(found: Summary) -> None:
    """Tables of methods by task and of one against another, and what to doubt."""
    _write_lines(LAST, found.last)
    if found.best == found.last:
        write("The best evaluation of each seed is its last.")
    else:
        _write_lines(BEST, found.best)
    if found.duels:
        header = ("method", "against", "tasks>", "P>", "difference of means>", "the method is")
        write_table(header, [_duel(duel) for duel in found.duels], DUELS)
    for note in NOTES:
        write(note)
    for doubt in found.doubts:
        write(f"Doubtful: {doubt}.")


def _write_lines(title: str, lines: Sequence[Line]) -> None:
    names = list(dict.fromkeys(name for line in lines for name in line.estimates))
    header = ("task", "method", "seeds>", "updates>", "of", *(f"{name}>" for name in names))
    rows = [
        (line.task, line.method, str(line.seeds), f"{line.updates:,}", line.measure, *_estimates(line, names))
        for line in lines
    ]
    write_table(header, rows, title)


def _estimates(line: Line, names: Sequence[str]) -> list[str]:
    if line.lost:
        return [f"{line.lost} diverged", *("-" for _ in names[1:])]
    return [_interval(line.estimates[name]) if name in line.estimates else "-" for name in names]


def _interval(estimate: Estimate) -> str:
    return str(estimate) if isfinite(estimate.high) else f"{estimate.value:.1f}"


def _duel(duel: Duel) -> tuple[str, ...]:
    chance = duel.improvement
    shown = f"{chance.value:.2f} [{chance.low:.2f}, {chance.high:.2f}]"
    difference = _interval(duel.difference) if duel.difference else "-"
    return duel.first, duel.second, str(duel.tasks), shown, difference, duel.verdict
