"""Every method on the same data: trains what is missing, and writes what is known as docs/results.md.

    python benchmarks/results.py make [--task quickstart] [--method iql] [--data FOLDER] [--work FOLDER]
    python benchmarks/results.py write

Each result is one `mooring train`, which goes on where it was killed; its command stands in the table. What is
finished is one line of benchmarks/results.jsonl and is not run again: delete a line to have it measured anew. A method
is trained as its paper says, but that long counts of updates (`..._steps`, `..._period`) shrink with the schedule, and
that models of a world, which papers train until they get no better, have half as many updates as the task.
"""

import argparse
import json
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from csv import DictReader
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from mooring import registry
from mooring.evaluation.statistics import mean, summarize
from mooring.runs import versions

HERE = Path(__file__).parent
KNOWN, PAGE, PUBLISHED = HERE / "results.jsonl", HERE.parent / "docs" / "results.md", HERE / "published.csv"
NOTES = HERE / "results_notes"  # by task: why a method did not do what it is known for
SEEDS = 3
PAPERS_UPDATES = 1_000_000  # what most papers train for
LONG = 1_000  # counts of updates from here on belong to a schedule; others are of another kind
SHOWN = ("bc", "iql", "td3-bc", "cql", "rebrac", "edac", "mopo", "dt", "diffusion-ql")  # on the larger sets
NO_POLICY = ("bc-vae", "rnd")  # a model and an explorer, which have no return of their own here
SLOW = {  # share of a task's updates that two cores have time for, by class
    **dict.fromkeys(("BRAC", "InAC", "SPOT", "FisherBRC", "MOPO", "MOReL"), 0.5),
    **dict.fromkeys(("AWAC", "BCQ", "BEAR", "DOGE", "PRDC", "ReBRAC"), 0.25),
    **dict.fromkeys(("COMBO", "CQL", "DiffusionQL", "EDAC", "SACN", "TQC", "UWAC"), 0.1),
    **dict.fromkeys(("DT", "MSG"), 0.05),
    "LBSAC": 0.025,
}
RETURN_RANGE = ("iql", "xql", "sql", "eql", "inac")  # their code scales rewards by the range of returns


class Task(NamedTuple):
    """A data set, an environment where the data names none, updates, and the D4RL set that is most like it."""

    name: str
    about: str
    data: str
    actions: str
    updates: int
    env: str | None = None
    like: str | None = None


TASKS = (
    Task("quickstart", "36 episodes of HalfCheetah-v5, half of them bad", "quickstart", "continuous", 20_000),
    Task("pointmass", "half random, half of a noisy guide", "pointmass-medium", "discrete", 20_000),
    Task(
        "hopper-replay",
        "150,000 steps of a SAC run's replay buffer in Hopper-v4",
        "d4rl_format/hopper-replay.hdf5",
        "continuous",
        100_000,
        "Hopper-v4",
        "hopper-medium-replay",
    ),
    Task(
        "halfcheetah-mixed",
        "100,000 steps in HalfCheetah-v4: random, noisy and good by episode",
        "d4rl_format/halfcheetah-mixed.hdf5",
        "continuous",
        100_000,
        "HalfCheetah-v4",
        "halfcheetah-medium-replay",
    ),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("make", "write"))
    parser.add_argument("--task", action="append", choices=[task.name for task in TASKS])
    parser.add_argument("--method", action="append", choices=sorted({each.name for each in registry.entries()}))
    parser.add_argument("--data", type=Path, default=Path(), help="folder of the larger sets")
    parser.add_argument("--work", type=Path, default=Path("runs/results"), help="folder of unfinished runs")
    given = parser.parse_args()
    if given.what == "make":
        done = {(each["task"], each["method"]) for each in results()}
        for task, entry in plan():
            wanted = task.name in (given.task or [task.name]) and entry.name in (given.method or [entry.name])
            if wanted and (task.name, entry.name) not in done:
                result = trained(task, entry, given.data, given.work)
                with KNOWN.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(result) + "\n")
    PAGE.write_text(page(), encoding="utf-8")


def plan() -> Iterator[tuple[Task, registry.Entry]]:
    """What there is to train, each method of an action kind once."""
    for task in TASKS:
        fitting = [each for each in registry.entries() if task.actions in each.actions and each.name not in NO_POLICY]
        for entry in fitting:
            if not task.env or entry.name in SHOWN:
                yield task, entry


def trained(task: Task, entry: registry.Entry, data: Path, work: Path) -> dict[str, Any]:
    """One finished result, from where it was left."""
    words = command(task, entry)
    folder = work / task.name / entry.name
    place = [*words[:2], str(data / task.data) if task.env else task.data, *words[3:]]
    print(shlex.join(["mooring", *words]), flush=True)
    clock, began = folder.with_suffix(".seconds"), time.monotonic()
    before = float(clock.read_text()) if clock.exists() else 0.0
    try:
        again = ["--resume"] if (folder / "config.json").exists() else []
        run = [sys.executable, "-m", "mooring", *place, "--folder", str(folder), *again]
        subprocess.run(run, check=True)
    finally:
        clock.parent.mkdir(parents=True, exist_ok=True)
        clock.write_text(str(before + time.monotonic() - began))
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    looks = [row for row in rows if row["kind"] == "evaluate"]
    return {
        "task": task.name,
        "method": entry.name,
        "updates": looks[-1]["step"],
        "returns": looks[-1]["return"],
        "scores": looks[-1].get("score"),
        "seconds": round(float(clock.read_text())),
        "command": shlex.join(["mooring", *words]),
        "date": str(date.today()),
        "versions": versions(),
    }


def command(task: Task, entry: registry.Entry) -> list[str]:
    """The words behind `mooring` that train a method on a task."""
    updates = round(task.updates * SLOW.get(entry.class_name, 1))
    words = ["train", entry.name, Path(task.data).name, "--steps", str(updates), "--seeds", str(SEEDS)]
    words += ["--evaluate-every", str(updates)]
    if task.env:
        words += ["--env", task.env]
    if entry.name in RETURN_RANGE and task.actions == "continuous":
        words += ["--reward", "return_range"]
    for setting in entry.settings:
        if (
            setting.name.endswith(("_steps", "_period"))
            and isinstance(setting.default, int)
            and setting.default >= LONG
        ):
            shrunk = max(1, setting.default * updates // PAPERS_UPDATES)
            words += [setting.option, str(task.updates // 2 if setting.name == "dynamics_steps" else shrunk)]
    return words


def results() -> list[dict[str, Any]]:
    return [json.loads(line) for line in KNOWN.read_text().splitlines()] if KNOWN.exists() else []


def page() -> str:
    """docs/results.md."""
    parts = [
        "# Results",
        "Written by `python benchmarks/results.py write`: each line is one command, run as it stands there. "
        f"{SEEDS} seeds in one program, 10 episodes for each at the end, means and 95 % t intervals over seeds, which "
        "are wide for so few. Seconds are of one or two shared cores with other work beside, compiling included. "
        "Methods are trained as their papers say, for fewer updates; speed is in [speed](speed.md).",
    ]
    for task in TASKS:
        found = [each for each in results() if each["task"] == task.name]
        if found:
            parts += [f"## {task.name}", f"{task.about}.", table(task, found)]
            note = NOTES / f"{task.name}.md"
            parts += [note.read_text(encoding="utf-8").strip()] if note.exists() else []
    return "\n\n".join(parts) + "\n"


def of_method(name: str) -> str:
    """A table of what one method got, for its page; empty where nothing was measured yet."""
    found = [each for each in results() if each["method"] == name]
    lines = [
        f"| [{each['task']}](../results.md) | {summarize(np.asarray(each['returns']), mean)} | {each['updates']:,} |"
        for each in found
    ]
    return "\n".join(["| data | return | updates |", "|---|---|---|", *lines]) if lines else ""


def table(task: Task, found: list[dict[str, Any]]) -> str:
    """Best first. Published scores are of another data set, and others' runs of up to 1,000,000 updates."""
    with PUBLISHED.open(encoding="utf-8") as file:
        published = {row["method"]: row for row in DictReader(file) if task.like and row["data"].startswith(task.like)}
    heads = ["method", "return", "score", "updates", "seconds", "command"]
    heads += [f"published, {task.like} (not ours)"] if task.like else []
    lines = ["| " + " | ".join(heads) + " |", "|---" * len(heads) + "|"]
    for each in sorted(found, key=lambda each: -np.mean(each["returns"])):
        score = str(summarize(np.asarray(each["scores"]), mean)) if each["scores"] else "-"
        cells = [
            each["method"],
            str(summarize(np.asarray(each["returns"]), mean)),
            score,
            f"{each['updates']:,}",
            f"{each['seconds']:,}" if each["seconds"] else "-",
            f"`{each['command']}`",
        ]
        if task.like:
            other = published.get(each["method"])
            cells.append(f"{other['score']} ({other['data'][-2:]}; {other['source']})" if other else "-")
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
