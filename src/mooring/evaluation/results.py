"""What trained policies got, from the folders of many runs into one tidy table, and from there into run scores.

A row of the table is a `Look`: one evaluation of one policy. Rows of one method on one task are its seeds, in whichever
folders they lie. Last and best scores are kept apart: the last is what one would ship, and the best of several looks is
too high, since the same episodes choose it and score it.
"""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from mooring.errors import BadInput
from mooring.evaluation.comparison import Curve, Runs


@dataclass(frozen=True)
class Look:
    """One evaluation of one policy, after `step` updates.

    `mean_return` is the mean over its `episodes` of undiscounted raw returns, NaN where the policy's actions were not
    finite; `score` is normalized (0 random, 100 expert), None where the environment has no range. `task` names the
    data, and the environment where it is not the data's own.
    """

    method: str
    task: str
    seed: int
    step: int
    episodes: int
    mean_return: float
    score: float | None
    run: str


def scored_tasks(looks: Sequence[Look]) -> set[str]:
    """The tasks on which every look has a score."""
    return {look.task for look in looks} - {look.task for look in looks if look.score is None}


def curves(looks: Sequence[Look], measure: str | None = None) -> dict[str, dict[str, Curve]]:
    """By method and task: the steps that all of its seeds were evaluated at, and each seed's number there, by seed.

    `measure` is "score", on the tasks that have it, or "mean_return"; by default the score on tasks where every look
    has one, and else the return. Raises BadInput where seeds have no step in common.
    """
    found: dict[str, dict[str, Curve]] = {}
    scored = scored_tasks(looks)
    cells: dict[tuple[str, str], dict[int, dict[int, float]]] = {}
    for look in looks:
        name = measure or ("score" if look.task in scored else "mean_return")
        if name != "score" or look.task in scored:
            cells.setdefault((look.method, look.task), {}).setdefault(look.seed, {})[look.step] = getattr(look, name)
    for (method, task), seeds in cells.items():
        steps = sorted(set.intersection(*(set(values) for values in seeds.values())))
        if not steps:
            raise BadInput(f"{method} on {task}", "its seeds were evaluated at no common step", "a step that all have")
        values = [[seeds[seed][step] for seed in sorted(seeds)] for step in steps]
        found.setdefault(method, {})[task] = np.array(steps), np.array(values, np.float64)
    return found


def last(curves: Mapping[str, Curve]) -> Runs:
    """By task, each seed's number at the last step."""
    return {task: values[-1] for task, (_, values) in curves.items()}


def best(curves: Mapping[str, Curve]) -> Runs:
    """By task, each seed's highest number over all steps: too high, the more so the more steps there are."""
    return {task: np.fmax.reduce(values, axis=0) for task, (_, values) in curves.items()}


def until(looks: Iterable[Look], step: int) -> list[Look]:
    """The looks at that step and before it. Raises BadInput where there is none."""
    kept = [look for look in looks if look.step <= step]
    if not kept:
        raise BadInput("results", f"nothing was evaluated within {step:,} updates", fix="name a later step")
    return kept


def write(looks: Iterable[Look], file: str | Path) -> None:
    """One row for each look, as CSV or, in a file that ends in .jsonl, as lines of JSON (NaN as null).

    Raises BadInput for another ending.
    """
    file = Path(file)
    _check_ending(file)
    rows = [asdict(look) for look in looks]
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w", encoding="utf-8", newline="") as out:
        if file.suffix == ".csv":
            table = csv.DictWriter(out, [field.name for field in fields(Look)], lineterminator="\n")
            table.writeheader()
            table.writerows(rows)
        else:
            out.writelines(json.dumps({name: _or_null(value) for name, value in row.items()}) + "\n" for row in rows)


def read(file: str | Path) -> list[Look]:
    """A table that `write` made, or one of another tool with its columns. Raises BadInput."""
    file = Path(file)
    _check_ending(file)
    with file.open(encoding="utf-8", newline="") as text:
        try:
            rows = list(csv.DictReader(text) if file.suffix == ".csv" else map(json.loads, text))
            return [_look(row) for row in rows]
        except (KeyError, TypeError, ValueError) as error:
            columns = ", ".join(field.name for field in fields(Look))
            raise BadInput(str(file), f"is no table of results ({error})", f"the columns {columns}") from error


def _look(row: Mapping[str, Any]) -> Look:
    known, value = row["score"] not in (None, ""), row["mean_return"]
    return Look(
        method=str(row["method"]),
        task=str(row["task"]),
        seed=int(row["seed"]),
        step=int(row["step"]),
        episodes=int(row["episodes"]),
        mean_return=math.nan if value is None else float(value),
        score=float(row["score"]) if known else math.nan if value is None else None,
        run=str(row["run"]),
    )


def _check_ending(file: Path) -> None:
    if file.suffix not in (".csv", ".jsonl"):
        raise BadInput(str(file), "is of no kind of table that is known", "a name that ends in .csv or .jsonl")


def _or_null(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value
