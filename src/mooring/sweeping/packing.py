"""How members become jobs: each job is one population, which one command trains.

On GPUs a population takes hardly longer than one of its members, so programs are divided only where workers would go
without a job. On CPUs it takes as long as its members one by one: there each program is shared out over all workers,
which ends the sweep soonest.
"""

from __future__ import annotations

import re
import shlex
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import ceil, prod
from pathlib import Path

from mooring.sweeping.reading import Axes, Program


@dataclass(frozen=True)
class Job:
    """A population of so many members. `words` are those of `mooring train`, but for where the run is kept."""

    name: str
    words: tuple[str, ...]
    members: int

    def command(self, folder: Path) -> list[str]:
        """The words that train it, or go on with it, below the sweep's folder."""
        return ["train", *self.words, f"--folder={folder / self.name}", "--resume"]

    def typed(self, folder: Path) -> str:
        """The command line that does so by hand."""
        return shlex.join(["mooring", *self.command(folder)])


def pack(programs: Sequence[Program], workers: int, together: bool) -> list[Job]:
    """The jobs of all programs for so many workers; `together` says that populations are quicker than their members.

    No job has more members than its program's `pack`, nor more than an equal share for each worker: of all members
    where `together`, else of its program's.
    """
    total = sum(program.size for program in programs)
    found = []
    for program in programs:
        share = ceil((total if together else program.size) / workers)
        found += [replace(program, axes=axes) for axes in divided(program.axes, min(program.pack, share))]
    return [Job(name, _words(each), each.size) for name, each in zip(_names(found), found, strict=True)]


def divided(axes: Axes, most: int) -> Iterator[Axes]:
    """Blocks of a grid that hold at most so many points each: the longest axis is cut first, into equal parts."""
    size = prod(len(values) for values in axes.values())
    if size <= most:
        yield axes
        return
    longest = max(axes, key=lambda name: len(axes[name]))
    values = axes[longest]
    parts = min(len(values), ceil(size / most))
    for part in range(parts):
        own = values[part * len(values) // parts : (part + 1) * len(values) // parts]
        yield from divided({**axes, longest: own}, most)


def _words(program: Program) -> tuple[str, ...]:
    """ "--seeds=3," is seed 3, where "--seeds=3" would be three of them."""
    seeds = ",".join(program.axes["seeds"]) + ("," if len(program.axes["seeds"]) == 1 else "")
    swept = [f"--sweep={name}={','.join(values)}" for name, values in program.axes.items() if name != "seeds"]
    return program.algorithm, program.data, f"--seeds={seeds}", *swept, *program.words


def _names(programs: Sequence[Program]) -> Iterator[str]:
    """Of each its folder: algorithm and data, and a number where there are several of these."""
    stems = [f"{_stem(each.algorithm.rpartition(':')[2])}-{_stem(each.data)}" for each in programs]
    counts, seen = Counter(stems), Counter[str]()
    for stem in stems:
        seen[stem] += 1
        digits = len(str(counts[stem]))
        yield stem if counts[stem] == 1 else f"{stem}-{seen[stem]:0{digits}}"


def _stem(name: str) -> str:
    """A name of a data set, a file or a class, as a folder's."""
    return re.sub(r"[^\w.-]+", "-", Path(name).stem)
