"""What a contender says to the driver: one line of JSON in, one out, over its standard input and output.

    python -m contenders.MODULE '{"method": "td3-bc", "form": "eager"}'

It makes one update and says what it is; then, for each number of seconds that it reads, it makes about that long of
updates and says how many there were, what they took, and the most memory that the process has held so far.
"""

import json
import os
import resource
import sys
import time
from collections.abc import Callable
from dataclasses import asdict

from contenders.work import Work

Advance = Callable[[int], int]
"""Makes that many updates, or a few more where a call holds several; returns how many, of all seeds, when they are
done."""


def serve(prepare: Callable[[Work, str], Advance], about: Callable[[], dict[str, str]]) -> None:
    """Runs a contender until its standard input ends; `about` gives the versions of what it is made of."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what libraries print is no answer
    job = json.loads(sys.argv[1])
    work = Work.of(job["method"], **job.get("changes", {}))
    advance = prepare(work, job["form"])
    advance(1)
    print(json.dumps({"versions": about(), "settings": asdict(work)}), file=answers)
    rate = rate_of(advance)
    for line in sys.stdin:
        count = max(1, round(rate * float(line)))
        updates, seconds = timed(advance, count)
        rate = count / seconds
        print(json.dumps({"updates": updates, "seconds": seconds, "bytes": most_memory()}), file=answers)


def rate_of(advance: Advance, enough: float = 0.3) -> float:
    """Updates per second, found by doubling; what is compiled late is compiled here."""
    count, seconds = 1, 0.0
    while seconds < enough:
        count *= 2
        _, seconds = timed(advance, count)
    return count / seconds


def timed(advance: Advance, count: int) -> tuple[int, float]:
    """How many updates were made, and the seconds that they took."""
    began = time.perf_counter()
    updates = advance(count)
    return updates, time.perf_counter() - began


def most_memory() -> int:
    """Bytes of this process that were ever in memory at one time."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
