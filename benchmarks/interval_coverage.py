"""Do the 95 % intervals of a comparison hold the truth? Measured by simulation, and written into docs/statistics.md.

    python benchmarks/interval_coverage.py measure    # about 15 minutes on one core; resumable
    python benchmarks/interval_coverage.py write      # the tables alone

Run scores are drawn from distributions whose truth is known or taken from 100,000 draws, for 1, 3 and 10 tasks and 3, 5
and 10 seeds. Beside each interval stands what a percentile bootstrap of the same runs, stratified by task, held.
"""

import argparse
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from mooring.evaluation.comparison import (
    Runs,
    aggregate,
    mean_difference,
    optimality_gap,
    performance_profile,
    probability_of_improvement,
)
from mooring.evaluation.statistics import Estimate, iqm, mean, median

HERE = Path(__file__).parent
KNOWN, PAGE = HERE / "interval_coverage.jsonl", HERE.parent / "docs" / "statistics.md"
BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"
TASKS, SEEDS = (1, 3, 10), (3, 5, 10)
TRIALS, RESAMPLES, MANY = 1000, 300, 100_000
BOOTSTRAPPED = 200  # trials of the percentile bootstrap, which is slow
LEVELS = (40, 110)  # scores of the worst and the best task
ABOVE = np.array([60.0, 90.0, 110.0])  # thresholds of profiles

Draw = Callable[[np.random.Generator, int, int], np.ndarray]
"""Run scores (tasks, seeds)."""


def levels(tasks: int) -> np.ndarray:
    low, high = LEVELS
    return np.linspace(low, high, tasks)[:, None] if tasks > 1 else np.array([[(low + high) / 2]])


def normal(shift: float = 0.0, spread: float = 10.0) -> Draw:
    return lambda random, tasks, seeds: levels(tasks) + shift + spread * random.standard_normal((tasks, seeds))


def near_expert(level: float) -> Draw:
    """All tasks alike, a little above an expert's 100, so that few runs fall short."""
    return lambda random, tasks, seeds: level + 5 * random.standard_normal((tasks, seeds))


def skewed(factor: float = 1.0) -> Draw:
    """Half of the score is exponential."""
    return lambda random, tasks, seeds: factor * levels(tasks) * (0.5 + 0.5 * random.exponential(size=(tasks, seeds)))


def collapsing(share: float, shift: float = 0.0) -> Draw:
    """A share of the runs ends near 5."""

    def draw(random: np.random.Generator, tasks: int, seeds: int) -> np.ndarray:
        good = levels(tasks) + shift + 5 * random.standard_normal((tasks, seeds))
        return np.where(random.random((tasks, seeds)) < share, 5 + random.standard_normal((tasks, seeds)), good)

    return draw


class Case(NamedTuple):
    """Two methods; statistics of one are those of the first."""

    name: str
    first: Draw
    second: Draw


CASES = (
    Case("normal, equal", normal(), normal()),
    Case("normal, a spread apart", normal(10), normal()),
    Case("normal, three spreads apart", normal(30), normal()),
    Case("normal, unequal spreads", normal(10, 25), normal(0, 5)),
    Case("near an expert", near_expert(105), near_expert(101)),
    Case("skewed", skewed(1.5), skewed()),
    Case("a tenth collapses", collapsing(0.1, 10), collapsing(0)),
    Case("a tenth collapses, else far apart", collapsing(0.1, 40), normal(0, 5)),
    Case("three tenths collapse", collapsing(0.3, 10), collapsing(0)),
)


def named(scores: np.ndarray) -> Runs:
    return {str(task): each for task, each in enumerate(scores)}


def plain_gap(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    return np.maximum(100 - first, 0).mean((-1, -2))


def plain_median(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    return np.median(first.mean(-1), axis=-1) if first.shape[-2] > 1 else np.median(first[..., 0, :], axis=-1)


def plain_improvement(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    one, other = first[..., :, None], second[..., None, :]
    return ((one > other) + 0.5 * (one == other)).mean((-1, -2, -3))


class Statistic(NamedTuple):
    """Our estimate of two methods' runs, and the number itself of arrays (..., tasks, seeds)."""

    estimate: Callable[[Runs, Runs], Estimate]
    plain: Callable[[np.ndarray, np.ndarray], np.ndarray]


def profile_at(threshold: float) -> Statistic:
    def estimate(first: Runs, second: Runs) -> Estimate:
        band = performance_profile(first, np.array([threshold]))
        return Estimate(float(band.value[0]), float(band.low[0]), float(band.high[0]))

    return Statistic(estimate, lambda first, second: (first > threshold).mean((-1, -2)))


def pooled(scores: np.ndarray) -> np.ndarray:
    return scores.reshape(*scores.shape[:-2], -1)


STATISTICS = {
    "IQM": Statistic(lambda one, _: aggregate(one, iqm), lambda one, _: iqm(pooled(one))),
    "median": Statistic(lambda one, _: aggregate(one, median), plain_median),
    "mean": Statistic(lambda one, _: aggregate(one, mean), lambda one, _: one.mean((-1, -2))),
    "optimality gap": Statistic(lambda one, _: optimality_gap(one), plain_gap),
    "difference of means": Statistic(mean_difference, lambda one, other: (one - other).mean((-1, -2))),
    "probability of improvement": Statistic(probability_of_improvement, plain_improvement),
    **{f"profile at {threshold:g}": profile_at(threshold) for threshold in ABOVE.tolist()},
}
PAIRS = ("difference of means", "probability of improvement")
APART = ("normal, a spread apart", "normal, three spreads apart", "a tenth collapses, else far apart")
SLOW = ("IQM", "median", "mean")  # bootstraps within


def truth(case: Case, name: str, tasks: int, random: np.random.Generator) -> float:
    """From many runs; of pairs, all of these."""
    first, second = case.first(random, tasks, MANY), case.second(random, tasks, MANY)
    if name != "probability of improvement":
        return float(STATISTICS[name].plain(first, second))
    beaten = [np.searchsorted(np.sort(other), one).mean() / MANY for one, other in zip(first, second, strict=True)]
    return float(np.mean(beaten))


def measured(case: Case, name: str, tasks: int, seeds: int) -> dict[str, object]:
    random = np.random.default_rng([tasks, seeds])
    value, statistic = truth(case, name, tasks, random), STATISTICS[name]
    trials = TRIALS // 2 if name in SLOW and tasks > 1 else TRIALS
    held, widths, resampled = [], [], []
    for trial in range(trials):
        first, second = case.first(random, tasks, seeds), case.second(random, tasks, seeds)
        estimate = statistic.estimate(named(first), named(second))
        held.append(estimate.low - 1e-9 <= value <= estimate.high + 1e-9)
        widths.append(estimate.high - estimate.low)
        if trial < BOOTSTRAPPED:
            low, high = percentiles(statistic, first, second, random)
            resampled.append(low - 1e-9 <= value <= high + 1e-9)
    return {
        "statistic": name,
        "case": case.name,
        "tasks": tasks,
        "seeds": seeds,
        "truth": round(value, 4),
        "held": round(float(np.mean(held)), 4),
        "width": round(float(np.mean(widths)), 4),
        "trials": trials,
        "percentile bootstrap held": round(float(np.mean(resampled)), 4),
    }


def percentiles(
    statistic: Statistic, first: np.ndarray, second: np.ndarray, random: np.random.Generator
) -> tuple[float, float]:
    """The percentile bootstrap, stratified by task, that is usual."""
    drawn = [
        np.take_along_axis(scores[None], random.integers(scores.shape[1], size=(RESAMPLES, *scores.shape)), axis=-1)
        for scores in (first, second)
    ]
    low, high = np.quantile(statistic.plain(*drawn), (0.025, 0.975))
    return float(low), float(high)


def cases(name: str) -> list[Case]:
    """How far methods lie apart matters to pairs alone."""
    return [case for case in CASES if name in PAIRS or case.name not in APART]


def plan() -> Iterator[tuple[Case, str, int, int]]:
    for name in STATISTICS:
        for case in cases(name):
            for tasks in TASKS:
                for seeds in SEEDS:
                    yield case, name, tasks, seeds


def known() -> list[dict[str, object]]:
    return [json.loads(line) for line in KNOWN.read_text().splitlines()] if KNOWN.exists() else []


def tables() -> str:
    """For each statistic, cases by numbers of tasks and seeds: what held, and what the percentile bootstrap held."""
    rows, parts = known(), []
    for name in STATISTICS:
        found = {(row["case"], row["tasks"], row["seeds"]): row for row in rows if row["statistic"] == name}
        if name.startswith("profile") or not found:
            continue
        parts.append(f"**{name}**" + table(cases(name), found))
    parts.append(
        "**performance profile**, the worst of the thresholds 60, 90 and 110" + table(cases("profile"), worst(rows))
    )
    return "\n\n".join(parts)


def worst(rows: list[dict[str, object]]) -> dict[tuple[object, ...], dict[str, object]]:
    found: dict[tuple[object, ...], dict[str, object]] = {}
    for row in rows:
        if str(row["statistic"]).startswith("profile"):
            cell = found.setdefault((row["case"], row["tasks"], row["seeds"]), dict(row))
            for name in ("held", "percentile bootstrap held"):
                cell[name] = min(cell[name], row[name])  # type: ignore[type-var]
    return found


def table(shown: list[Case], found: dict[tuple[object, ...], dict[str, object]]) -> str:
    places = [(tasks, seeds) for tasks in TASKS for seeds in SEEDS]
    heads = [f"{tasks} x {seeds}" for tasks, seeds in places]
    lines = ["", "", "| runs, tasks x seeds | " + " | ".join(heads) + " |", "|---" * (len(heads) + 1) + "|"]
    for case in shown:
        cells = [found.get((case.name, *place)) for place in places]
        texts = [f"{percent(c['held'])} ({percent(c['percentile bootstrap held'])})" if c else "-" for c in cells]
        lines.append(f"| {case.name} | " + " | ".join(texts) + " |")
    return "\n".join(lines)


def percent(share: object) -> str:
    return f"{100 * float(str(share)):.0f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("measure", "write"))
    if parser.parse_args().what == "measure":
        done = {(row["case"], row["statistic"], row["tasks"], row["seeds"]) for row in known()}
        for case, name, tasks, seeds in plan():
            if (case.name, name, tasks, seeds) not in done:
                with KNOWN.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(measured(case, name, tasks, seeds)) + "\n")
    page = PAGE.read_text(encoding="utf-8")
    before, after = page.partition(BEGIN)[0], page.partition(END)[2]
    PAGE.write_text(f"{before}{BEGIN}\n\n{tables()}\n\n{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
