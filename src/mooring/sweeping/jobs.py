"""One job in a process of its own: its log, its outcome, and what has become of it."""

from __future__ import annotations

import fcntl
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TextIO

from mooring import cores
from mooring.checkpoint import write_atomically
from mooring.errors import BadInput
from mooring.sweeping.packing import Job

LOG, OUTCOME, LOCK = "log.txt", "outcome.json", "lock"
FLAGS = "XLA_FLAGS"
ERROR = re.compile(r"(mooring: error: |[A-Za-z_][\w.]*(Error|Exception|Exit)\b).*")


@dataclass(frozen=True)
class Outcome:
    """How a job ended: after so many seconds, and where it failed by what reason (else empty)."""

    job: str
    seconds: float
    reason: str = ""

    def save(self, folder: Path) -> None:
        """Into the run's folder, for `finished`."""
        write_atomically(folder / self.job / OUTCOME, json.dumps(asdict(self)).encode())


def finished(job: Job, folder: Path) -> bool:
    """Whether it has been done, below the sweep's folder. A job that failed, or was cut off, has not."""
    file = folder / job.name / OUTCOME
    return file.exists() and not json.loads(file.read_text())["reason"]


class Running:
    """A job that was started; all that it says goes to its log. It ends with this process at the latest.

    Raises BadInput where another process is at it.
    """

    def __init__(self, job: Job, folder: Path, environment: Mapping[str, str]) -> None:
        self.job, self.folder, self.log = job, folder, folder / job.name / LOG
        self.log.parent.mkdir(parents=True, exist_ok=True)
        self._lock = _locked(self.log.parent)
        self._since, self._told = time.monotonic(), self.log.stat().st_size if self.log.exists() else 0
        with self.log.open("a") as log:
            log.write(f"$ {job.typed(folder)}\n")
            log.flush()
            words = [sys.executable, "-m", "mooring.sweeping.process", *job.command(folder)]
            self.process = subprocess.Popen(
                words,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                env=_environment(environment),
                pass_fds=[self._lock.fileno()],  # which holds the lock as long as either lives
            )

    def outcome(self) -> Outcome:
        """Waits for the end, and keeps it."""
        reason = self._reason(self._ended())
        found = Outcome(self.job.name, round(time.monotonic() - self._since, 1), reason)
        found.save(self.folder)
        return found

    def stop(self) -> None:
        """Ends it at once; its last checkpoint is where it will go on."""
        self.process.kill()
        self._ended()

    def _ended(self) -> int:
        """The exit code, when it is there; only then may the pipe go."""
        code = self.process.wait()
        assert self.process.stdin is not None
        self.process.stdin.close()
        self._lock.close()
        return code

    def _reason(self, code: int) -> str:
        """The last error in the log, where there is one."""
        if code == 0:
            return ""
        if code < 0:
            hint = ", as a system does that is out of memory" if code == -signal.SIGKILL else ""
            return f"ended by {signal.Signals(-code).name}{hint}"
        lines = [line for line in self.log.read_bytes()[self._told :].decode(errors="replace").splitlines() if line]
        errors = [line for line in lines if ERROR.match(line)]
        return (errors or lines)[-1].removeprefix("mooring: error: ")


def _environment(further: Mapping[str, str]) -> dict[str, str]:
    """This process's and more, but not how many devices JAX was told of here: a job has its own part of the machine."""
    flags = [flag for flag in os.environ.get(FLAGS, "").split() if not flag.startswith(cores.FLAG)]
    return {**os.environ, **further, FLAGS: " ".join([*flags, further.get(FLAGS, "")]).strip()}


def _locked(folder: Path) -> TextIO:
    """A file that one process at a time can hold. Raises BadInput where another one does."""
    file = (folder / LOCK).open("w")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        raise BadInput(str(folder), "is being trained by another process", fix="wait for it, or end it") from None
    return file
