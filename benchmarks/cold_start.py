"""How long until a training's first update is finished: the first time, the second time, and what compiling is of it.

    python benchmarks/cold_start.py [--parts] [--repeats 3] [METHOD ...]

For each method `mooring train METHOD DATA` is started with an empty folder for compiled programs, and then again with
what the first start left there, on the quickstart's data (discrete methods: on pointmass-easy). A start is over when
the row of the first update is written (of a method with stages, of its first stage). Then stand, timed by themselves
in this process and with nothing kept: tracing, lowering and compiling of what starts a run and of what makes updates
(of a method with stages, of the method itself). `--parts` shows imports and the command's help, and no method.

Each figure is the least of `repeats` starts (one, where nothing is kept): seconds, and in brackets seconds of
processor time, which depend less on what else the machine does.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import jax

from mooring import loop, registry
from mooring.data import load
from mooring.testing import with_stages
from mooring.types import Algorithm

DATA = {"continuous": "quickstart", "discrete": "pointmass-easy"}
LONGEST = 300  # seconds that a start may take
TICKS = os.sysconf("SC_CLK_TCK")
PARTS = {
    "python": ["-c", ""],
    "import mooring": ["-c", "import mooring"],
    "mooring --help": ["-m", "mooring", "--help"],
    "import jax": ["-c", "import jax"],
    "import mooring.training": ["-c", "import mooring.training"],
}


class Cost(NamedTuple):
    seconds: float
    processor: float

    def __str__(self) -> str:
        return f"{self.seconds:.2f} ({self.processor:.2f})"


def timed(work: Callable[[], Any]) -> tuple[Any, Cost]:
    began, processor = time.perf_counter(), time.process_time()
    result = work()
    return result, Cost(time.perf_counter() - began, time.process_time() - processor)


def of_process(words: list[str], over: Callable[[], bool] = lambda: False, **kept: str) -> Cost:
    """A process of Python from its start until it is over, or has ended."""
    began = time.perf_counter()
    process = subprocess.Popen([sys.executable, *words], env={**os.environ, **kept}, stdout=subprocess.DEVNULL)
    try:
        while not over() and not _ended(process.pid):
            if time.perf_counter() - began > LONGEST:
                raise SystemExit(f"no end after {LONGEST} s: {' '.join(words)}")
            time.sleep(0.005)
        return Cost(time.perf_counter() - began, _processor(process.pid))
    finally:
        process.kill()
        process.wait()


def _stat(pid: int) -> list[str]:
    """What Linux tells of a process, from its state on."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def _ended(pid: int) -> bool:
    return _stat(pid)[0] == "Z"


def _processor(pid: int) -> float:
    return sum(int(field) for field in _stat(pid)[11:13]) / TICKS


def start(method: str, data: str, cache: str) -> Cost:
    """A training, from the start of its process to its first row."""
    with tempfile.TemporaryDirectory() as home:
        folder = Path(home, "run")
        words = ["-m", "mooring", "train", method, data, "--chunk", "1", "--quiet", "--folder", str(folder)]
        metrics = folder / "metrics.jsonl"
        cost = of_process(words, lambda: metrics.exists() and metrics.stat().st_size > 0, XDG_CACHE_HOME=cache)
        if not metrics.exists():
            raise SystemExit(f"no update was made: mooring {' '.join(words[2:])}")
        return cost


def compiling(algorithm: Algorithm, actions: str) -> Iterator[Cost]:
    """Of what starts a run, and of what makes updates."""
    data = load(DATA[actions])
    (ready,) = with_stages([algorithm], data, 1) if algorithm.stages() else [algorithm]
    fixed = loop.stack([ready]), ready.source(data)
    began = (*fixed, data.spec(), loop.keys_of([0]))
    compiled, cost = timed(lambda: loop.start.lower(*began).compile())
    yield cost
    run = compiled(*began)
    yield timed(lambda: loop.advance.lower(*fixed, run, 1).compile())[1]
    jax.clear_caches()


def least(costs: Iterator[Cost]) -> Cost:
    return Cost(*map(min, zip(*costs, strict=True)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("methods", nargs="*", default=sorted({entry.name for entry in registry.entries()}))
    parser.add_argument("--parts", action="store_true", help="imports and help alone")
    parser.add_argument("--repeats", type=int, default=3)
    given = parser.parse_args()
    if given.parts:
        for name, words in PARTS.items():
            print(f"| {name} | {least(of_process(words) for _ in range(given.repeats))} |", flush=True)
        return
    print("| method | first start | second start | compile start | compile updates |\n|---|---|---|---|---|")
    for entry in (each for each in registry.entries() if each.name in given.methods):
        for actions in entry.actions:
            with tempfile.TemporaryDirectory() as cache:
                first = start(entry.name, DATA[actions], cache)
                again = least(start(entry.name, DATA[actions], cache) for _ in range(given.repeats))
            name = entry.name if actions == "continuous" else f"{entry.name}, discrete"
            costs = [str(cost) for cost in (first, again, *compiling(registry.load_class(entry)(), actions))]
            print(f"| {name} | {' | '.join(costs)} |", flush=True)


if __name__ == "__main__":
    main()
