"""A ring buffer that grows while a policy acts."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Int

from mooring.sources.rows import take, to_device
from mooring.types import Batch, PRNGKey, Source

if TYPE_CHECKING:
    from mooring.data.dataset import Dataset


class ReplayState(eqx.Module):
    """A ring of rows: `count` ever added, of which the last `capacity` are kept."""

    rows: Batch
    count: Int[Array, ""]


class Replay(Source):
    """A buffer of the newest `capacity` rows, filled by `add` while a policy acts; drawn uniformly.

    It begins with the rows of `first`, which may be none.
    """

    first: Batch
    capacity: int = eqx.field(static=True)

    @classmethod
    def of(cls, data: Dataset, capacity: int, columns: tuple[str, ...] = ()) -> Replay:
        """A buffer that begins with a data set, which must fit in."""
        return cls(to_device(data, columns), capacity)

    def init(self, key: PRNGKey) -> ReplayState:
        empty = lambda leaf: jnp.zeros((self.capacity, *leaf.shape[1:]), leaf.dtype)
        return self.add(ReplayState(jax.tree.map(empty, self.first), jnp.zeros((), jnp.int32)), self.first)

    def add(self, state: ReplayState, rows: Batch) -> ReplayState:
        """The state with B more rows; B must not exceed the capacity."""
        added = rows.reward.shape[0]
        place = self.places(state.count + added, added)
        kept = jax.tree.map(lambda ring, new: ring.at[place].set(new), state.rows, rows)
        return ReplayState(kept, state.count + added)

    def places(self, count: Int[Array, ""], rows: int) -> Int[Array, " B"]:
        """Where, of `count` rows ever added, the newest `rows` lie, the oldest of them first."""
        return (count - rows + jnp.arange(rows)) % self.capacity

    def sample(self, state: ReplayState, key: PRNGKey, size: int) -> Batch:
        filled = jnp.clip(state.count, 1, self.capacity)
        return take(state.rows, jax.random.randint(key, (size,), 0, filled))


def newest(replay: Replay, states: ReplayState, rows: int) -> Batch:
    """The newest rows (P, rows, ...) of each member of a population, the oldest of them first."""

    def one(state: ReplayState) -> Batch:
        return take(state.rows, replay.places(state.count, rows))

    return jax.vmap(one)(states)


@partial(jax.jit, donate_argnums=1)
def add_rows(replay: Replay, states: ReplayState, rows: Batch) -> ReplayState:
    """Rows (P, B, ...) into the buffer of each member of a population."""
    return jax.vmap(replay.add)(states, rows)
