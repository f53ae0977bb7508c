"""Where batches come from. Each source is data shared by a population, and a state that is each member's own."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key, PyTree

from mooring.types import Batch, Metrics, Source, scalar

if TYPE_CHECKING:
    from mooring.data.dataset import Dataset
    from mooring.types import Algorithm


class Offline(Source):
    """Logged rows on the device, drawn uniformly with replacement."""

    rows: Batch

    @classmethod
    def of(cls, data: Dataset, columns: tuple[str, ...] = ()) -> Offline:
        return cls(to_device(data, columns))

    def sample(self, state: PyTree, key: Key[Array, ""], size: int) -> Batch:
        return take(self.rows, jax.random.randint(key, (size,), 0, self.rows.reward.shape[0]))


class Windows(Source):
    """T consecutive rows of one episode: from a row drawn uniformly to T rows on, or to the episode's end.

    So an episode is drawn in proportion to its length and the start within it uniformly, as in the published code of
    the Decision Transformer (Chen et al. 2021, arXiv 2106.01345). A window that its episode's end cuts short is padded
    on the left, where the extra column "mask" is 0 (else 1) and the others repeat the first row. "timestep" and
    "return_to_go" are there too (see Dataset.column). Columns are aligned because one index gathers them all.
    """

    rows: Batch
    left: Int[Array, " N"]  # rows from this one to its episode's last, both included
    length: int = eqx.field(static=True)

    @classmethod
    def of(cls, data: Dataset, length: int, columns: tuple[str, ...] = ()) -> Windows:
        left = np.repeat(data.ends, data.lengths) - np.arange(len(data)) + 1
        return cls(to_device(data, ("timestep", "return_to_go", *columns)), jnp.asarray(left, jnp.int32), length)

    def sample(self, state: PyTree, key: Key[Array, ""], size: int) -> Batch:
        return self.starting_at(jax.random.randint(key, (size,), 0, self.left.shape[0]))

    def starting_at(self, start: Int[Array, " B"]) -> Batch:
        """The windows (B, T) that begin at the given rows."""
        padding = self.length - jnp.minimum(self.left[start], self.length)
        offset = jnp.arange(self.length)[None] - padding[:, None]
        batch = take(self.rows, start[:, None] + jnp.maximum(offset, 0))
        return replace(batch, extra={**batch.extra, "mask": (offset >= 0).astype(jnp.float32)})


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

    def init(self, key: Key[Array, ""]) -> ReplayState:
        empty = lambda leaf: jnp.zeros((self.capacity, *leaf.shape[1:]), leaf.dtype)
        return self.add(ReplayState(jax.tree.map(empty, self.first), jnp.zeros((), jnp.int32)), self.first)

    def add(self, state: ReplayState, rows: Batch) -> ReplayState:
        """The state with B more rows; B must not exceed the capacity."""
        added = rows.reward.shape[0]
        place = (state.count + jnp.arange(added)) % self.capacity
        kept = jax.tree.map(lambda ring, new: ring.at[place].set(new), state.rows, rows)
        return ReplayState(kept, state.count + added)

    def sample(self, state: ReplayState, key: Key[Array, ""], size: int) -> Batch:
        filled = jnp.clip(state.count, 1, self.capacity)
        return take(state.rows, jax.random.randint(key, (size,), 0, filled))


@partial(jax.jit, donate_argnums=1)
def add_rows(replay: Replay, states: ReplayState, rows: Batch) -> ReplayState:
    """Rows (P, B, ...) into the buffer of each member of a population."""
    return jax.vmap(replay.add)(states, rows)


class Mixture(Source):
    """A fixed share of each batch from each of several sources, in order (half offline and half replay, for one)."""

    parts: tuple[Source, ...]
    shares: tuple[float, ...] = eqx.field(static=True)

    def init(self, key: Key[Array, ""]) -> tuple[PyTree, ...]:
        keys = jax.random.split(key, len(self.parts))
        return tuple(part.init(k) for part, k in zip(self.parts, keys, strict=True))

    def refresh(
        self, state: tuple[PyTree, ...], algorithm: Algorithm, agent: Any, key: Key[Array, ""]
    ) -> tuple[PyTree, ...]:
        keys = jax.random.split(key, len(self.parts))
        each = zip(self.parts, state, keys, strict=True)
        return tuple(part.refresh(own, algorithm, agent, k) for part, own, k in each)

    def sizes(self, size: int) -> tuple[int, ...]:
        """Rows of each part: the batch is cut at the rounded sums of shares, so that no rounding adds up."""
        cuts = [0, *(round(size * sum_of_shares) for sum_of_shares in accumulate(self.shares[:-1])), size]
        return tuple(end - start for start, end in pairwise(cuts))

    def sample(self, state: tuple[PyTree, ...], key: Key[Array, ""], size: int) -> Batch:
        keys = jax.random.split(key, len(self.parts))
        each = zip(self.parts, state, keys, self.sizes(size), strict=True)
        batches = [part.sample(own, k, rows) for part, own, k, rows in each]
        return jax.tree.map(lambda *leaves: jnp.concatenate(leaves), *batches)

    def feedback(self, state: tuple[PyTree, ...], batch: Batch, metrics: Metrics) -> tuple[PyTree, ...]:
        size = batch.reward.shape[0]
        per_row = {name: value for name, value in metrics.items() if value.shape[:1] == (size,)}
        start, states = 0, []
        for part, own, rows in zip(self.parts, state, self.sizes(size), strict=True):
            own_rows = slice(start, start + rows)
            own_batch, own_metrics = jax.tree.map(lambda leaf: leaf[own_rows], (batch, per_row))  # noqa: B023
            states.append(part.feedback(own, own_batch, own_metrics))
            start += rows
        return tuple(states)


class Prioritized(Source):
    """Rows drawn in proportion to a priority that the update feeds back (Schaul et al. 2016, arXiv 1511.05952).

    The update's metric `td_error` (one per row) gives priority max(|error|, least)^alpha; with `least` 1 and
    alpha 0.4 that is LAP (Fujimoto et al. 2020, arXiv 2007.06049, eq. 9). The state is a binary tree of sums in an
    array: node i has children 2i and 2i+1, and row r is the leaf `leaves + r`.
    """

    rows: Batch
    alpha: Float[Array, ""]
    least: Float[Array, ""]

    @classmethod
    def of(cls, data: Dataset, columns: tuple[str, ...] = (), alpha: float = 0.4, least: float = 1.0) -> Prioritized:
        return cls(to_device(data, columns), scalar(alpha), scalar(least))

    @property
    def depth(self) -> int:
        return max(1, (self.rows.reward.shape[0] - 1).bit_length())

    def init(self, key: Key[Array, ""]) -> Float[Array, " nodes"]:
        leaves = 2**self.depth
        level = jnp.where(jnp.arange(leaves) < self.rows.reward.shape[0], 1.0, 0.0)
        levels = [level]
        while levels[0].shape[0] > 1:
            levels.insert(0, levels[0].reshape(-1, 2).sum(axis=1))
        return jnp.concatenate([jnp.zeros(1), *levels])

    def sample(self, state: Float[Array, " nodes"], key: Key[Array, ""], size: int) -> Batch:
        # stratified: one draw from each of `size` equal parts of the total
        mass = (jnp.arange(size) + jax.random.uniform(key, (size,))) / size * state[1]
        node = jnp.ones(size, jnp.int32)
        for _ in range(self.depth):
            left = state[2 * node]
            right = (mass >= left) & (state[2 * node + 1] > 0)
            mass = jnp.where(right, mass - left, mass)
            node = 2 * node + right
        row = jnp.minimum(node - 2**self.depth, self.rows.reward.shape[0] - 1)
        batch = take(self.rows, row)
        return replace(batch, extra={**batch.extra, "row": row})

    def feedback(self, state: Float[Array, " nodes"], batch: Batch, metrics: Metrics) -> Float[Array, " nodes"]:
        priority = jnp.maximum(jnp.abs(metrics["td_error"]), self.least) ** self.alpha
        node = batch["row"] + 2**self.depth
        state = state.at[node].set(priority)
        for _ in range(self.depth):
            node = node // 2
            state = state.at[node].set(state[2 * node] + state[2 * node + 1])
        return state


def to_device(data: Dataset, columns: tuple[str, ...] = ()) -> Batch:
    """A data set's rows as one batch of device arrays, with the further columns that are asked for."""
    extra = {name: data.column(name) for name in columns}
    rows = (data.obs, data.action, data.reward, data.next_obs, data.continues, extra)
    return Batch(*jax.tree.map(jnp.asarray, rows))


def take(rows: Batch, index: Int[Array, "..."]) -> Batch:
    """Rows by index, which must be in range."""
    return jax.tree.map(lambda leaf: leaf.at[index].get(mode="promise_in_bounds"), rows)
