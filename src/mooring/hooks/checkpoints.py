"""The hook that keeps, of the policies that have acted, the one whose worst episode was best."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool

from mooring import loop
from mooring.hooks import Hook

if TYPE_CHECKING:
    from mooring.training import Session
    from mooring.types import Checkpoints


class KeepBest(Hook):
    """Judges policies by the algorithm's `checkpoints()` (Fujimoto et al. 2023, arXiv 2306.02451, policy checkpoints).

    One policy acts, unchanged, until so many of its episodes have ended, and is then kept if its worst return is no
    worse than that of the policy kept before; it is dismissed as soon as one is. Then the newest policy acts. Meanwhile
    updates go on, where the published code puts them off until a policy is judged.

    `lived` tells the steps that a member has made at a step of the run. Episodes that end between the same two updates
    count as one, with their mean. All that it looks at are the rows of kind "collect", in their order, so it has to
    stand behind `Collect`, and a resumed run goes on to the last digit.
    """

    def __init__(self, every: int, lived: Callable[[int], int]) -> None:
        self.every, self.lived = every, lived
        self.read = 0  # rows
        self.strict = False  # whether the time has come when it takes more than one episode

    def begun(self, session: Session) -> None:
        self(session)

    def resumed(self, session: Session) -> None:
        """The agent knows already what was kept."""
        self._judged(session)

    def __call__(self, session: Session) -> None:
        for keep, renew in self._judged(session):
            agent = loop.renewed(session.algorithms, session.run.agent, jnp.asarray(keep), jnp.asarray(renew))
            session.run = replace(session.run, agent=agent)

    def _judged(self, session: Session) -> list[tuple[Bool[np.ndarray, " P"], Bool[np.ndarray, " P"]]]:
        """What new rows say: whose acting policy is kept, and who gets another."""
        checkpoints = session.algorithms.checkpoints()
        assert checkpoints is not None
        if not self.read:
            members = len(session.members)
            self.best, self.worst = np.full(members, -np.inf), np.full(members, np.inf)
            self.count = np.zeros(members, int)
        new = [row for row in session.rows[self.read :] if row["kind"] == "collect"]
        self.read = len(session.rows)
        return [self._judge(checkpoints, row) for row in new]

    def _judge(
        self, checkpoints: Checkpoints, row: Mapping[str, Any]
    ) -> tuple[Bool[np.ndarray, " P"], Bool[np.ndarray, " P"]]:
        if not self.strict and self.lived(row["step"]) >= checkpoints.since:
            self.strict, self.best = True, self.best * np.asarray(checkpoints.forgotten)
        found = np.asarray(row["return"], np.float64)
        ended = np.isfinite(found)
        self.worst, self.count = np.where(ended, np.minimum(self.worst, found), self.worst), self.count + ended
        dismissed = ended & (self.worst < self.best)
        keep = ended & ~dismissed & (self.count >= (checkpoints.episodes if self.strict else 1))
        self.best = np.where(keep, self.worst, self.best)
        renew = keep | dismissed
        self.worst, self.count = np.where(renew, np.inf, self.worst), np.where(renew, 0, self.count)
        return keep, renew
