"""Starts contenders and times them against one another: a stretch of each in turn, round after round.

A `Team` is one contender as it would use a machine: one process on all cores, or one pinned to each core, whose rates
add up. All stay alive between their stretches; only one team works at a time.
"""

import json
import os
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import IO, Any

HERE = Path(__file__).parents[1]
NO_CACHE = {"JAX_ENABLE_COMPILATION_CACHE": "false", "TORCHINDUCTOR_FORCE_DISABLE_CACHES": "1"}
PAUSE = 0.1  # seconds between stretches: threads that wait actively have given up by then


class Process:
    """One contender's process, and what it said."""

    def __init__(self, command: Sequence[str], cores: set[int], log: IO[str]) -> None:
        self.command, self.began = command, time.perf_counter()
        threads = {"OMP_NUM_THREADS": str(len(cores)), "MKL_NUM_THREADS": str(len(cores))}
        self.process = subprocess.Popen(
            command,
            cwd=HERE,
            env={**os.environ, **NO_CACHE, **threads},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
        os.sched_setaffinity(self.process.pid, cores)  # before it has started any thread

    def ready(self) -> dict[str, Any]:
        """What it says of itself after its first update, with the seconds since its start."""
        about = self.answer()
        return {**about, "first_update": time.perf_counter() - self.began}

    def ask(self, seconds: float) -> None:
        self.process.stdin.write(f"{seconds}\n")
        self.process.stdin.flush()

    def answer(self) -> dict[str, Any]:
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"{' '.join(self.command)} ended with {self.process.wait()}")
        return json.loads(line)

    def end(self) -> None:
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


@dataclass
class Team:
    """The processes of one contender; `about` is what the first said at its start."""

    name: str
    processes: list[Process]
    about: dict[str, Any] = field(default_factory=dict)
    rates: list[float] = field(default_factory=list)
    memory: int = 0  # bytes, of all processes

    @classmethod
    def start(cls, name: str, command: Sequence[str], per_core: bool, log: IO[str]) -> "Team":
        """Started, and waited for until the first updates are made."""
        cores = sorted(os.sched_getaffinity(0))
        groups = [{core} for core in cores] if per_core else [set(cores)]
        team = cls(name, [Process(command, group, log) for group in groups])
        try:
            abouts = [process.ready() for process in team.processes]
        except BaseException:
            team.end()
            raise
        team.about = abouts[0]
        return team

    def end(self) -> None:
        for process in self.processes:
            process.end()

    def stretch(self, seconds: float) -> None:
        """Adds one rate: updates per second of all processes, which run at the same time."""
        for process in self.processes:
            process.ask(seconds)
        answers = [process.answer() for process in self.processes]
        self.rates.append(sum(each["updates"] / each["seconds"] for each in answers))
        self.memory = sum(each["bytes"] for each in answers)


def compared(teams: Sequence[Team], seconds: float, rounds: int) -> list[dict[str, Any]]:
    """What each team did, and the first one's rate over its own: median and range over rounds.

    The first round warms up and does not count. Within a round the order is that of the teams, so stretches of two
    teams are never further apart than a round.
    """
    for _ in range(rounds + 1):
        for team in teams:
            time.sleep(PAUSE)
            team.stretch(seconds)
    first = teams[0].rates[1:]
    return [summary(team, [a / b for a, b in zip(first, team.rates[1:], strict=True)]) for team in teams]


def summary(team: Team, ratios: Sequence[float]) -> dict[str, Any]:
    return {
        "contender": team.name,
        "processes": len(team.processes),
        "rates": [rounded(rate) for rate in team.rates[1:]],
        "rate": rounded(median(team.rates[1:])),
        "ratio": rounded(median(ratios)),
        "ratio_range": [rounded(min(ratios)), rounded(max(ratios))],
        "first_update": rounded(team.about["first_update"]),
        "megabytes": round(team.memory / 1e6),
        "versions": team.about["versions"],
    }


def rounded(value: float) -> float:
    return float(f"{value:.4g}")
