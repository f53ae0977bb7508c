"""A process that has a share of a group's environments: `python -m mooring.environments.worker`. Without JAX.

What is said goes over a socket, a line of JSON each: seeds to reset with, or "step"; the answer is null, or which
environment failed and how. What is acted and observed lies in memory that all processes see.
"""

from __future__ import annotations

import json
import mmap
import signal
import socket
import sys
from functools import partial
from math import prod
from typing import Any

import numpy as np

from mooring.environments.group import Failed, Group, told
from mooring.environments.making import make

Layout = dict[str, Any]
"""By name: a type and the shape of one row, as ["<f4", [3]], or a layout."""
ALIGNED = 64  # bytes


def size(layout: Layout, count: int) -> int:
    """Bytes of `count` rows of everything."""
    return sum(size(each, count) if isinstance(each, dict) else _bytes(each, count) for each in layout.values())


def arrays(memory: mmap.mmap, layout: Layout, count: int, offset: int = 0) -> dict[str, Any]:
    """What lies in the memory, by the names of the layout."""
    found: dict[str, Any] = {}
    for name, each in layout.items():
        if isinstance(each, dict):
            found[name] = arrays(memory, each, count, offset)
            offset += size(each, count)
        else:
            found[name] = np.ndarray((count, *each[1]), each[0], memory, offset)
            offset += _bytes(each, count)
    return found


def put(into: Any, rows: Any, share: slice) -> None:
    """Writes rows of a share where they belong."""
    if isinstance(rows, dict):
        for name, each in rows.items():
            put(into[name], each, share)
    else:
        into[share] = rows


def _bytes(each: list[Any], count: int) -> int:
    return -(-np.dtype(each[0]).itemsize * prod(each[1]) * count // ALIGNED) * ALIGNED


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # who interrupts the command is answered by the other end
    told_of = json.loads(sys.argv[1])
    first, last = told_of["share"]
    share, count = slice(first, last), told_of["count"]
    with socket.socket(fileno=told_of["socket"]).makefile("rw") as pipe:

        def answer(trouble: Any = None) -> None:
            pipe.write(json.dumps(trouble) + "\n")
            pipe.flush()

        try:
            group = Group(last - first, partial(make, told_of["env"]))
        except Exception as error:  # whatever the package or the user's file raises
            answer([first, told(error)])
            return
        memory = mmap.mmap(told_of["memory"], size(told_of["layout"], count))
        board = arrays(memory, told_of["layout"], count)
        answer()
        for line in pipe:
            try:
                serve(group, json.loads(line), board, share)
                answer()
            except Failed as error:
                answer([first + error.index, error.trouble])
        group.close()


def serve(group: Group, word: Any, board: dict[str, Any], share: slice) -> None:
    """Resets with the seeds of a list, or steps."""
    if isinstance(word, list):
        put(board["obs"], group.reset(word), share)
        return
    obs, board["reward"][share], board["ended"][share] = group.step(board["action"][share], board["alive"][share])
    put(board["obs"], obs, share)


if __name__ == "__main__":
    main()
