"""The hook that lets each member act in environments and puts what happens into its replay buffer."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool

from mooring import loop
from mooring.data.changes import MONTE_CARLO, discounted_sums
from mooring.environments.players import Ended, Players, Rows, Unfinished
from mooring.errors import BadInput
from mooring.hooks import Hook
from mooring.policies import Exploring
from mooring.sources import Mixture, Replay, ReplayState, add_rows, newest
from mooring.types import NEXT_ACTION, Batch, Box, Discrete, Policy, Source, scalar

if TYPE_CHECKING:
    from mooring.training import Session


class Exploration(NamedTuple):
    """How policies act while they learn: by their own draws or greedily, and with how much noise on top.

    The noise is a share of half the width between the bounds; of discrete actions, the share of random ones.
    """

    sampled: bool = True
    noise: float = 0.0

    def of(self, policies: Policy, space: Box | Discrete) -> Policy:
        """The population's policies as they explore."""
        if self.sampled and not self.noise:
            return policies
        return jax.vmap(lambda policy: Exploring(policy, space, scalar(self.noise), self.sampled))(policies)


class Collect(Hook):
    """After every `every` updates, `steps` steps by each member, in `envs` environments together.

    So there are every / steps updates for each step. Before the first update of a run, `warm_up` steps are made. The
    session's source must be a `Replay`, or a `Mixture` with one among its parts; rows lie in it step by step,
    environment by environment. Returns of episodes that ended are logged (kind "collect"). Where an environment fails,
    or takes more than `patience` seconds for a step, what was lived before it is kept. A column "monte_carlo" of the
    buffer gets, when an episode ends, what `monte_carlo` (else a discounted sum) makes of its rewards as learning sees
    them; until then it is minus infinity. A column "next_action" gets the action of the step after, as in a data set:
    an episode's last row has its own, and so has the newest row until the next step is made.

    A resumed run goes on where it was, to the last digit, where the buffer has the column "last" and still holds the
    episodes under way; else they are given up, with a warning, and new ones begin.
    """

    def __init__(
        self,
        env_id: str,
        every: int,
        steps: int,
        envs: int = 1,
        seed: int = 0,
        warm_up: int = 0,
        exploration: Exploration | None = None,
        patience: float | None = None,
        monte_carlo: Callable[[np.ndarray], np.ndarray] | None = None,
    ) -> None:
        if steps < 1 or steps % envs or warm_up % envs:
            found = f"{warm_up} and {steps} steps in {envs} environments"
            raise BadInput("Collect", f"found {found}", "multiples of the environments")
        self.env_id, self.every, self.steps, self.envs, self.seed = env_id, every, steps, envs, seed
        self.warm_up, self.exploration = warm_up, exploration or Exploration()
        self.patience = patience
        self.monte_carlo = monte_carlo or partial(discounted_sums, discount=0.99)
        self.players: Players | None = None

    def __call__(self, session: Session) -> None:
        self._live(session, self.steps)

    def begun(self, session: Session) -> None:
        """The steps before the first update."""
        if self.warm_up:
            self._live(session, self.warm_up)

    def resumed(self, session: Session) -> None:
        """Brings the environments to where the buffer's rows lead."""
        players, buffer = self._players(session), _Buffer.of(session)
        replay, state = buffer.replay, buffer.state(session)
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
            buffer.put(session, _cut(replay, state, jnp.asarray(lost)))
        if lived < self.warm_up:
            self._live(session, self.warm_up - lived)

    def close(self) -> None:
        if self.players:
            self.players.close()

    def _live(self, session: Session, steps: int) -> None:
        players, buffer = self._players(session), _Buffer.of(session)
        acting = loop.acting(session.algorithms, session.run.agent)
        policies = self.exploration.of(acting, session.spec.action)
        try:
            buffer.add(session, players.play(policies, steps // self.envs), self.envs)
        except Unfinished as error:
            if error.rows:
                buffer.add(session, error.rows, self.envs)
            raise
        if players.ended:
            self._tell(session, buffer, players.ended)
            players.ended = []

    def _tell(self, session: Session, buffer: _Buffer, ended: Sequence[Ended]) -> None:
        """Logs the mean return of each member's episodes that ended, and fills in what is known only now."""
        returns = [[sum(each.rewards) for each in ended if each.who == who] for who in range(len(session.members))]
        session.log("collect", session.step, {"return": [np.mean(own) if own else np.nan for own in returns]})
        state = buffer.state(session)
        if MONTE_CARLO in state.rows.extra:
            values = np.array(state.rows[MONTE_CARLO])
            count, capacity = int(state.count[0]), buffer.replay.capacity
            for each in ended:
                reward = session.spec.reward_scale * np.asarray(each.rewards) + session.spec.reward_shift
                steps = each.step + np.arange(-len(reward), 0)
                row = len(buffer.replay.first.reward) + steps * self.envs + each.place
                there = row >= count - capacity
                values[each.who, row[there] % capacity] = self.monte_carlo(np.asarray(reward))[there]
            column = lambda state: state.rows.extra[MONTE_CARLO]
            buffer.put(session, eqx.tree_at(column, state, jnp.asarray(values)))

    def _players(self, session: Session) -> Players:
        if self.players is None:
            self.players = Players(self.env_id, len(session.members), self.envs, self.seed, self.patience)
        return self.players


class _Buffer(NamedTuple):
    """A session's replay buffer: the whole source, or one part of a mixture."""

    replay: Replay
    part: int | None

    @classmethod
    def of(cls, session: Session) -> _Buffer:
        source: Source = session.source
        if isinstance(source, Replay):
            return cls(source, None)
        for part, each in enumerate(source.parts if isinstance(source, Mixture) else ()):
            if isinstance(each, Replay):
                return cls(each, part)
        raise BadInput("Collect", f"the source is a {type(source).__name__}", "a Replay, or a Mixture with one")

    def state(self, session: Session) -> ReplayState:
        whole = session.run.source
        return whole if self.part is None else whole[self.part]

    def add(self, session: Session, rows: Rows, envs: int) -> None:
        state = self.state(session)
        batch = _batch(rows, envs, state.rows.extra)
        if NEXT_ACTION in batch.extra and int(state.count[0]) > len(self.replay.first.reward):
            state = _told_next(self.replay, state, batch.action[:, :envs])
        self.put(session, add_rows(self.replay, state, batch))

    def put(self, session: Session, state: ReplayState) -> None:
        whole: Any = session.run.source
        parts = state if self.part is None else (*whole[: self.part], state, *whole[self.part + 1 :])
        session.run = replace(session.run, source=parts)


def _batch(rows: Rows, envs: int, extra: Iterable[str]) -> Batch:
    """Rows as the buffer takes them, with the extra columns that it has."""
    later = np.full_like(rows.reward, -np.inf)
    known: dict[str, Any] = {"last": rows.last, "action_log_prob": rows.action_log_prob, MONTE_CARLO: later}
    if {NEXT_ACTION, "last"} <= set(extra):
        action = jnp.asarray(rows.action)
        after = jnp.concatenate([action[:, envs:], action[:, -envs:]], axis=1)  # the newest step's: their own, for now
        known[NEXT_ACTION] = _followed(jnp.asarray(rows.last), action, after)
    missing = [name for name in extra if known.get(name) is None]
    if missing:
        raise BadInput("Collect", f"the buffer has a column {missing[0]}", "only what is known of a step")
    columns = (rows.obs, rows.action, rows.reward, rows.next_obs, rows.continues, {name: known[name] for name in extra})
    return Batch(*jax.tree.map(jnp.asarray, columns))


def _followed(last: Array, action: Array, after: Array) -> Array:
    """The next actions (P, B, ...) of rows: those of the step after, but a row's own where its episode ends."""
    return jnp.where(last.reshape(last.shape + (1,) * (action.ndim - 2)), action, after)


def _told_next(replay: Replay, state: ReplayState, after: Array) -> ReplayState:
    """The newest step's rows get the actions (P, E, ...) of the step after, which are known now."""
    place = replay.places(state.count[0], after.shape[1])
    column = state.rows[NEXT_ACTION]
    known = _followed(state.rows["last"][:, place], column[:, place], after)
    return eqx.tree_at(lambda state: state.rows.extra[NEXT_ACTION], state, column.at[:, place].set(known))


def _cut(replay: Replay, state: ReplayState, lost: Bool[Array, "P E"]) -> ReplayState:
    """The newest row of each environment whose episode is lost is its episode's last."""
    place = replay.places(state.count[0], lost.shape[1])
    return eqx.tree_at(lambda state: state.rows.extra["last"], state, state.rows["last"].at[:, place].max(lost))
