"""Mooring's speed beside its peers': measures what is missing, and writes what is known as docs/peers.md.

    python benchmarks/peers.py make [--experiment table] [--method td3-bc] [--peer d3rlpy] [--cores all] [--seconds 1]
    python benchmarks/peers.py check
    python benchmarks/peers.py write

Each comparison starts its contenders (see `contenders`) one after another, cold, and then gives each a stretch in turn,
round after round. It is one line of benchmarks/peers.jsonl, and is not run again: delete the line to have it measured
anew. d3rlpy and PyTorch get an environment of their own, which the first run makes. `check` compares the losses of
PyTorch's loops with Mooring's, from the same weights, rows and noise. Nothing else should run meanwhile.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

from contenders import page
from contenders.pairing import Team, compared
from contenders.work import SETTINGS

HERE = Path(__file__).parent
KNOWN, PAGE = HERE / "peers.jsonl", HERE.parent / "docs" / "peers.md"
REQUIRED = ("d3rlpy==2.8.1", "torch==2.13.0")
OURS = "Mooring"


class Contender(NamedTuple):
    """A program of `contenders`, the form in which it trains, the methods that it has, and whose packages it needs."""

    module: str
    form: str
    methods: tuple[str, ...]
    ours: bool


ALL = tuple(SETTINGS)
CONTENDERS = {
    OURS: Contender("ours", "loop", ALL, True),
    "d3rlpy": Contender("d3rlpy_fit", "fit", tuple(name for name in ALL if name not in ("sac-n", "edac")), False),
    "PyTorch, eager": Contender("torch_loop", "eager", ALL, False),
    "PyTorch, compiled": Contender("torch_loop", "compiled", ALL, False),
    "JAX, one a call": Contender("jax_script", "one", ("td3-bc", "iql"), True),
    "JAX, eight a call": Contender("jax_script", "eight", ("td3-bc", "iql"), True),
}
SWEPT = (OURS, "PyTorch, eager")
SWEEPS: dict[str, tuple[str, str, tuple[Any, ...]]] = {  # the method, what is changed, and to what
    "batch": ("td3-bc", "batch_size", (64, 128, 256, 512, 1024, 2048, 4096)),
    "width": ("td3-bc", "hidden", tuple((width, width) for width in (64, 128, 256, 512, 1024))),
    "ensemble": ("sac-n", "critics", (2, 5, 10, 20, 50)),
    "seeds": ("td3-bc", "seeds", (1, 2, 4, 8, 16)),
}


class Comparison(NamedTuple):
    """What is measured in one go; `per_core` is one process on each core in place of one on all."""

    experiment: str
    method: str
    changes: dict[str, Any]
    per_core: bool
    contenders: tuple[str, ...]

    def is_of(self, line: dict[str, Any]) -> bool:
        same = ("experiment", "method", "per_core")
        changes = json.loads(json.dumps(self.changes))  # as a line of the file has them
        return all(line[name] == getattr(self, name) for name in same) and line["changes"] == changes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("make", "check", "write"))
    parser.add_argument("--experiment", action="append", choices=("table", *SWEEPS))
    parser.add_argument("--method", action="append", choices=ALL)
    parser.add_argument("--peer", action="append", choices=[name for name in CONTENDERS if name != OURS])
    parser.add_argument("--cores", choices=("all", "each"), help="one process on all cores, or one on each; else both")
    parser.add_argument("--seconds", type=float, default=1.0, help="of a stretch")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--work", type=Path, default=Path("runs/peers"), help="folder of the environment and a log")
    given = parser.parse_args()
    if given.what != "write":
        peers_python = environment(given.work.resolve())
    if given.what == "check":
        check(peers_python, given.work.resolve(), given.method or ALL)
    if given.what == "make":
        for comparison in missing(plan(), results(), given):
            line = measured(comparison, peers_python, given)
            with KNOWN.open("a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")
    if given.what != "check":
        PAGE.write_text(page.text(results()), encoding="utf-8")
        page.draw(results(), PAGE.parent / "peers")


def plan() -> Iterator[Comparison]:
    """Everything that there is to measure."""
    for per_core in (False, True):
        for method in ALL:
            names = tuple(name for name, each in CONTENDERS.items() if method in each.methods)
            yield Comparison("table", method, {}, per_core, names)
    for experiment, (method, changed, values) in SWEEPS.items():
        for value in values:
            for per_core in (False, True) if experiment == "seeds" else (False,):
                yield Comparison(experiment, method, {changed: value}, per_core, SWEPT)


def missing(
    comparisons: Iterator[Comparison], known: Sequence[dict[str, Any]], given: argparse.Namespace
) -> Iterator[Comparison]:
    """Of what was asked for, what is not known yet; Mooring takes part in each."""
    for each in comparisons:
        done = {row["contender"] for line in known if each.is_of(line) for row in line["results"]}
        peers = [name for name in each.contenders if name not in (OURS, *done) and name in (given.peer or CONTENDERS)]
        asked = each.experiment in (given.experiment or [each.experiment]) and each.method in (given.method or ALL)
        if peers and asked and given.cores in (None, "each" if each.per_core else "all"):
            yield each._replace(contenders=(OURS, *peers))


def measured(comparison: Comparison, peers_python: Path, given: argparse.Namespace) -> dict[str, Any]:
    """One line of the file."""
    print(*comparison[:4], *comparison.contenders, sep=" | ", flush=True)
    with ExitStack() as stack, (given.work / "log").open("w", encoding="utf-8") as log:
        teams = []
        for name in comparison.contenders:
            words = command(comparison, CONTENDERS[name], peers_python)
            teams.append(Team.start(name, words, comparison.per_core, log))
            stack.callback(teams[-1].end)
        rows = compared(teams, given.seconds, given.rounds)
    print(*(f"    {row['contender']}: {row['rate']}/s, {row['ratio']}x" for row in rows), sep="\n", flush=True)
    fields = {name: getattr(comparison, name) for name in ("experiment", "method", "changes", "per_core")}
    return {**fields, "seconds": given.seconds, "results": rows, "date": str(date.today()), "machine": machine()}


def command(comparison: Comparison, contender: Contender, peers_python: Path) -> list[str]:
    """The seeds of a sweep are for Mooring, which trains them as one program; others train one after another."""
    changes = dict(comparison.changes)
    if contender.module != "ours":
        changes.pop("seeds", None)
    job = {"method": comparison.method, "form": contender.form, "changes": changes}
    python = sys.executable if contender.ours else str(peers_python)
    return [python, "-m", f"contenders.{contender.module}", json.dumps(job)]


def environment(work: Path) -> Path:
    """The Python of d3rlpy and PyTorch; made where there is none."""
    python = work / "env" / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", work / "env"], check=True)
    found = subprocess.run([python, "-c", "import d3rlpy, torch"], capture_output=True)
    if found.returncode:
        subprocess.run([python, "-m", "pip", "install", "--quiet", *REQUIRED], check=True)
    return python


def check(peers_python: Path, work: Path, methods: Sequence[str]) -> None:
    """Fails where a PyTorch loop does not do what Mooring does."""
    file = work / "first_updates.npz"
    for method in methods:
        for python, module in ((Path(sys.executable), "check_ours"), (peers_python, "check_torch")):
            subprocess.run([python, "-m", f"contenders.{module}", method, file], cwd=HERE, check=True)


def machine() -> str:
    """The processor by name, and how many cores this process may use."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{names[0] if names else platform.machine()}, {len(os.sched_getaffinity(0))} cores"


def results() -> list[dict[str, Any]]:
    return [json.loads(line) for line in KNOWN.read_text().splitlines()] if KNOWN.exists() else []


if __name__ == "__main__":
    main()
