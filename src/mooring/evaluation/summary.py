"""All that is to be told of methods that were run on the same tasks: each by itself, and one against another."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

from mooring.evaluation.comparison import (
    Curve,
    Runs,
    aggregate,
    mean_difference,
    optimality_gap,
    probability_of_improvement,
)
from mooring.evaluation.doubts import doubts
from mooring.evaluation.results import Look, best, curves, last, scored_tasks
from mooring.evaluation.statistics import Estimate, iqm, mean, median
from mooring.jsonable import jsonable

STATISTICS = {"IQM": iqm, "median": median, "mean": mean}
GAP = "optimality gap"
Choice = Callable[[Mapping[str, Curve]], Runs]


@dataclass(frozen=True)
class Line:
    """A method on one task or over several. `estimates` by name, none where a run diverged (`lost` says how many)."""

    task: str
    method: str
    seeds: int  # on each task
    updates: int  # at the last evaluation; the most, over tasks
    measure: str  # "score" or "return"
    estimates: dict[str, Estimate]
    lost: int = 0


@dataclass(frozen=True)
class Duel:
    """The last scores of two methods on the tasks that both were run on.

    `difference` of means is in scores; None where a task has none, or a run diverged.
    """

    first: str
    second: str
    tasks: int
    improvement: Estimate
    difference: Estimate | None

    @property
    def verdict(self) -> str:
        """Whether a run of the first is more likely than not to beat one of the second."""
        low, high = self.improvement.low, self.improvement.high
        return "better" if low > 0.5 else "worse" if high < 0.5 else "cannot tell"


@dataclass(frozen=True)
class Summary:
    """Lines for the last evaluation and, apart, for each seed's best one, which is too high; duels; doubts."""

    last: list[Line]
    best: list[Line]
    duels: list[Duel]
    doubts: list[str]

    def to_json(self) -> dict[str, Any]:
        """All of it as values that JSON knows: null stands for a bound that is infinite."""
        duels = [jsonable(duel) | {"verdict": duel.verdict} for duel in self.duels]
        lines = {name: [jsonable(line) for line in getattr(self, name)] for name in ("last", "best")}
        return {**lines, "duels": duels, "doubts": self.doubts}


def summary(looks: Sequence[Look]) -> Summary:
    """Statistics of scores on tasks that have them, else of returns; over tasks of scores alone.

    Over tasks are those that all methods were run on. Raises BadInput as `curves` does.
    """
    found, scored = curves(looks), scored_tasks(looks)
    return Summary(lines(found, scored, last), lines(found, scored, best), duels(found, scored), doubts(looks))


def shared_tasks(found: Mapping[str, Mapping[str, Any]], scored: set[str]) -> list[str]:
    """The tasks with scores that every method was run on."""
    tasks = dict.fromkeys(task for there in found.values() for task in there)
    return [task for task in tasks if task in scored and all(task in there for there in found.values())]


def duels(found: Mapping[str, Mapping[str, Curve]], scored: set[str]) -> list[Duel]:
    """Each pair of methods that have a task in common, in the order in which they were named."""
    made = []
    for first, second in combinations(found, 2):
        tasks = [task for task in found[first] if task in found[second]]
        if tasks:
            one, other = ({task: last(found[method])[task] for task in tasks} for method in (first, second))
            sound = scored.issuperset(tasks) and all(np.isfinite(x).all() for x in (*one.values(), *other.values()))
            difference = mean_difference(one, other) if sound else None
            made.append(Duel(first, second, len(tasks), probability_of_improvement(one, other), difference))
    return made


def lines(found: Mapping[str, Mapping[str, Curve]], scored: set[str], chosen: Choice) -> list[Line]:
    """Each method on each task and, where several tasks have scores of all methods, over these; `last` or `best`."""
    tasks = dict.fromkeys(task for there in found.values() for task in there)
    made = [
        _line_of(task, method, {task: found[method][task]}, chosen, task in scored)
        for task in tasks
        for method in found
        if task in found[method]
    ]
    shared = shared_tasks(found, scored)
    if len(shared) > 1:
        title = f"all {len(shared)} tasks" if len(shared) == len(tasks) else f"{len(shared)} common tasks"
        for method, there in found.items():
            made.append(_line_of(title, method, {task: there[task] for task in shared}, chosen, True))
    return made


def _line_of(title: str, method: str, cells: Mapping[str, Curve], chosen: Choice, scored: bool) -> Line:
    runs: Runs = chosen(cells)
    lost = sum(int((~np.isfinite(values)).sum()) for values in runs.values())
    counts = {len(values) for values in runs.values()}
    estimates: dict[str, Estimate] = {}
    if not lost:
        if len(counts) == 1:
            estimates = {name: aggregate(runs, statistic) for name, statistic in STATISTICS.items()}
        if scored:
            estimates[GAP] = optimality_gap(runs)
    updates = max(int(steps[-1]) for steps, _ in cells.values())
    return Line(title, method, min(counts), updates, "score" if scored else "return", estimates, lost)
