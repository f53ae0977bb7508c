"""The hook that looks at the critics while they learn, and says when their values are about to run away."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import jax
import numpy as np
from jaxtyping import Float

from mooring.diagnostics.critics import critics_of
from mooring.diagnostics.light import verdicts
from mooring.diagnostics.look import look
from mooring.diagnostics.seem import seem
from mooring.hooks import Hook
from mooring.sources.rows import on_host
from mooring.types import Batch

if TYPE_CHECKING:
    from mooring.data.dataset import Dataset
    from mooring.training import Session

ROWS = 64
"""Logged rows that every look is at."""


class Watch(Hook):
    """After every `every` updates, and at the last one, a row of kind "watch", with numbers for each member.

    Always at the same logged rows of `data`, chosen at random. Training goes on as it would without. Agents without
    critics that `critics_of` knows are left alone.
    """

    def __init__(self, every: int, data: Dataset) -> None:
        self.every = every
        chosen = np.sort(np.random.default_rng(0).choice(len(data), min(ROWS, len(data)), replace=False))
        self.rows = Batch(*jax.device_put(jax.tree.map(lambda column: column[chosen], on_host(data))))
        ends = np.array([data.reward.min(), data.reward.max()])  # makes no array as long as the data
        self.largest_reward = float(np.abs(data.reward_scale * ends + data.reward_shift).max()) or 1.0

    def __call__(self, session: Session) -> None:
        if not hasattr(session.algorithms, "discount") or not _has_critics(session.run.agent):
            return
        with np.errstate(all="ignore"):  # what is infinite is so in its row; a discount of 1 has no bound
            values = self._look(session)
        row = {"kind": "watch"} | {name: value.tolist() for name, value in values.items()}
        lights = [verdict.light for verdict in verdicts([*session.rows, row], len(session.members))]
        session.log("watch", session.step, values | {"light": np.asarray(lights)})

    def _look(self, session: Session) -> dict[str, Float[np.ndarray, " P"]]:
        """The numbers of one look, the worst critic's of each member."""
        algorithms: Any = session.algorithms
        seen = jax.device_get(look(algorithms, session.run.agent, self.rows))
        most = self.largest_reward + seen.bonus
        sizes = np.abs(np.stack([seen.q, seen.q_policy])).mean(axis=-1)
        return {
            "seem": _worst(seem(seen.feedback)),
            "q": _worst(sizes.max(axis=0)),
            "bound": most / (1 - np.asarray(algorithms.discount)),
            "implied": _worst(np.abs(seen.implied.mean(axis=-1))) / most,
            "gap": (seen.q_policy - seen.q).mean(axis=(1, 2)),
            "dead": seen.dead.mean(axis=1),
        }


def _has_critics(agents: Any) -> bool:
    return jax.eval_shape(jax.vmap(critics_of), agents) is not None


def _worst(of_critics: Float[np.ndarray, "P N"]) -> Float[np.ndarray, " P"]:
    """The larger of the critics' numbers; NaN counts as infinite."""
    return np.where(np.isnan(of_critics), np.inf, of_critics).max(axis=1)
