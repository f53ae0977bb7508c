"""The hook that lets each member act in environments and puts what happens into its replay buffer."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool

from mooring.environments.players import Players, Rows
from mooring.errors import BadInput
from mooring.hooks import Hook
from mooring.sources import Replay, ReplayState, add_rows, newest
from mooring.types import Batch

if TYPE_CHECKING:
    from mooring.training import Session


class Collect(Hook):
    """After every `every` updates, `steps` steps with sampled actions by each member, in `envs` environments together.

    So there are every / steps updates for each step. The session's source must be a `Replay`; rows lie in it step
    by step, environment by environment. Returns of episodes that ended are logged (kind "collect").

    A resumed run goes on where it was, to the last digit, where the buffer has the column "last" and still holds the
    episodes under way; else they are given up, with a warning, and new ones begin.
    """

    def __init__(self, env_id: str, every: int, steps: int, envs: int = 1, seed: int = 0) -> None:
        if steps < 1 or steps % envs:
            raise BadInput("Collect", f"found {steps} steps in {envs} environments", "a multiple of the environments")
        self.env_id, self.every, self.steps, self.envs, self.seed = env_id, every, steps, envs, seed
        self.players: Players | None = None

    def __call__(self, session: Session) -> None:
        players, replay = self._players(session), _replay_of(session)
        rows = players.play(session.policies(), self.steps // self.envs)
        batch = _batch(rows, session.run.source.rows.extra)
        session.run = replace(session.run, source=add_rows(replay, session.run.source, batch))
        if any(players.ended):
            means = [np.mean(ended) if ended else np.nan for ended in players.ended]
            session.log("collect", session.step, {"return": means})
            players.ended = [[] for _ in players.ended]

    def resumed(self, session: Session) -> None:
        """Brings the environments to where the buffer's rows lead."""
        players, replay, state = self._players(session), _replay_of(session), session.run.source
        lived = int(state.count[0]) - len(replay.first.reward)
        if "last" not in state.rows.extra:
            players.step = lived // self.envs
            warnings.warn("the buffer has no column last: new episodes begin", stacklevel=2)
            return
        kept = newest(replay, state, min(lived, replay.capacity // self.envs * self.envs))
        columns = (kept.obs, kept.action, kept.reward, kept.next_obs, kept.continues, kept["last"])
        lost = players.resume(Rows(*jax.tree.map(np.asarray, columns)), lived // self.envs)
        if lost.any():
            warnings.warn(f"{lost.sum()} episodes under way can not be gone on with: new ones begin", stacklevel=2)
            session.run = replace(session.run, source=_cut(replay, state, jnp.asarray(lost)))

    def close(self) -> None:
        if self.players:
            self.players.close()

    def _players(self, session: Session) -> Players:
        if self.players is None:
            self.players = Players(self.env_id, len(session.members), self.envs, self.seed)
        return self.players


def _batch(rows: Rows, extra: Iterable[str]) -> Batch:
    """Rows as the buffer takes them, with the extra columns that it has."""
    known = {"last": rows.last, "action_log_prob": rows.action_log_prob}
    missing = [name for name in extra if known.get(name) is None]
    if missing:
        raise BadInput("Collect", f"the buffer has a column {missing[0]}", "only what is known of a step")
    columns = (rows.obs, rows.action, rows.reward, rows.next_obs, rows.continues, {name: known[name] for name in extra})
    return Batch(*jax.tree.map(jnp.asarray, columns))


def _cut(replay: Replay, state: ReplayState, lost: Bool[Array, "P E"]) -> ReplayState:
    """The newest row of each environment whose episode is lost is its episode's last."""
    place = (state.count[0] - lost.shape[1] + jnp.arange(lost.shape[1])) % replay.capacity
    return eqx.tree_at(lambda state: state.rows.extra["last"], state, state.rows["last"].at[:, place].max(lost))


def _replay_of(session: Session) -> Replay:
    if not isinstance(session.source, Replay):
        raise BadInput("Collect", f"the source is a {type(session.source).__name__}", "a Replay")
    return session.source
