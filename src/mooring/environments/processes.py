"""A group of environments that is shared out over processes, where Python steps only one at a time in one of them."""

from __future__ import annotations

import json
import mmap
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing, suppress
from functools import partial
from itertools import pairwise
from tempfile import TemporaryFile
from typing import Any

import jax
import numpy as np
from jaxtyping import Bool, Float64

from mooring.cores import for_environments
from mooring.environments.fitting import check_spaces
from mooring.environments.group import Failed, Group, Rows, rows
from mooring.environments.making import make
from mooring.environments.worker import Layout, arrays, size
from mooring.errors import BadInput
from mooring.types import Spec

WORTH = 50_000
"""Steps from which processes are worth their start, which takes as long as about 10,000 steps of a MuJoCo robot."""
LEAST = 4
"""Environments that are worth a process: it takes as long to wake as one or two of their steps."""
PATIENCE = 10.0  # seconds that a process has to end


def group_of(
    env_id: str,
    count: int,
    spec: Spec | None = None,
    processes: int | None = None,
    made_by: Callable[[str], Any] = make,
) -> Group | Processes:
    """Environments in this process, or shared out over so many.

    Other processes start Python anew and `make` the environment by its id: a package's, Mooring's, or one in a user's
    file, not one that a program registered or makes by `made_by`. So None, the default, means this process in a
    program, and in a command of Mooring one for each core, where there is enough to play. That needs Unix; elsewhere
    there is one process. BadInput where the environment's spaces are not those of the `spec`, or where another process
    can not make it.
    """
    with ExitStack() as made:
        first = made.enter_context(made_by(env_id))
        if spec is not None:
            check_spaces(first, spec)
        if processes is None:
            longest = first.spec.max_episode_steps if first.spec else None
            processes = min(for_environments(), count // LEAST) if count * (longest or 0) >= WORTH else 1
        processes = min(processes, count)
        if processes > 1 and made_by is make and os.name == "posix":
            return Processes(env_id, count, processes, _layout(first))
        made.pop_all()
        return Group(count, partial(made_by, env_id), first)


class Processes:
    """`count` environments as `Group` has them, in so many processes; each has its share of neighbors."""

    def __init__(self, env_id: str, count: int, processes: int, layout: Layout) -> None:
        bounds = np.linspace(0, count, processes + 1).round().astype(int).tolist()
        with ExitStack() as made:
            file = made.enter_context(TemporaryFile())
            file.truncate(size(layout, count))
            self._board = arrays(mmap.mmap(file.fileno(), 0), layout, count)
            words = {"env": env_id, "count": count, "layout": layout, "memory": file.fileno()}
            self._workers = [made.enter_context(closing(_Worker(words, share))) for share in pairwise(bounds)]
            self._open = made.pop_all()
        try:
            self._answers()
        except Failed as error:
            self.close()
            where = f"environment {env_id}, in a process of its own"
            raise BadInput(where, error.trouble, fix="play in one process") from error

    def close(self) -> None:
        """Ends the processes, which close their environments."""
        self._open.close()

    def reset(self, seeds: Sequence[int]) -> Rows:
        """As `Group.reset`."""
        for worker in self._workers:
            worker.tell(list(seeds[worker.first : worker.last]))
        self._answers()
        return self._obs()

    def step(
        self, action: np.ndarray, alive: Bool[np.ndarray, " N"]
    ) -> tuple[Rows, Float64[np.ndarray, " N"], Bool[np.ndarray, " N"]]:
        """As `Group.step`."""
        self._board["action"][:], self._board["alive"][:] = action, alive
        for worker in self._workers:
            worker.tell("step")
        self._answers()
        return self._obs(), self._board["reward"].copy(), self._board["ended"].copy()

    def _answers(self) -> None:
        """Waits for all; the first trouble is raised."""
        found = [worker.answer() for worker in self._workers]
        for trouble in filter(None, found):
            raise Failed(*trouble)

    def _obs(self) -> Rows:
        return jax.tree.map(np.array, self._board["obs"])


class _Worker:
    """A process with the environments `first` to `last - 1`."""

    def __init__(self, words: dict[str, Any], share: tuple[int, int]) -> None:
        self.first, self.last = share
        ours, theirs = socket.socketpair()
        said = json.dumps({**words, "share": share, "socket": theirs.fileno()})
        with theirs:
            self._process = subprocess.Popen(
                # -P: a file of the current folder must not stand for one of Python's
                [sys.executable, "-P", "-m", "mooring.environments.worker", said],
                pass_fds=(theirs.fileno(), words["memory"]),
                env={"JAX_PLATFORMS": "cpu", **os.environ},  # the accelerator is this process's
            )
        with ours:
            self._pipe = ours.makefile("rw")

    def tell(self, word: Any) -> None:
        with suppress(ConnectionError):  # its end is met where its answer is missing
            self._pipe.write(json.dumps(word) + "\n")
            self._pipe.flush()

    def answer(self) -> Any:
        """None, or which environment failed and how."""
        with suppress(ConnectionError):
            line = self._pipe.readline()
            if line:
                return json.loads(line)
        return [self.first, f"its process ended, with code {self._process.wait(PATIENCE)}"]

    def close(self) -> None:
        with suppress(ConnectionError):
            self._pipe.close()
        try:
            self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def _layout(env: Any) -> Layout:
    """What an environment's steps take and give."""
    action, obs = np.asarray(env.action_space.sample()), rows([env.observation_space.sample()])
    kind = np.float32 if action.dtype.kind == "f" else np.int32
    return {
        "action": [np.dtype(kind).str, list(action.shape)],
        "alive": ["|b1", []],
        "reward": ["<f8", []],
        "ended": ["|b1", []],
        "obs": jax.tree.map(lambda part: [part.dtype.str, list(part.shape[1:])], obs),
    }
