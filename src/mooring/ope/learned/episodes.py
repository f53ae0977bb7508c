"""`Episodes`: the source of batches of estimators that learn; each member of a population may see its own resample."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Int

from mooring.ope.logs import groups_of
from mooring.sources import take, to_device
from mooring.types import Batch, PRNGKey, Source, static

if TYPE_CHECKING:
    from mooring.data.dataset import Dataset


class Sums(eqx.Module):
    """How many episodes, and how many rows, a member's resample has up to and with each episode of the log."""

    episodes: Int[Array, " E"]
    rows: Int[Array, " E"]

    @property
    def times(self) -> Int[Array, " E"]:
        """How often each episode is in the resample."""
        return jnp.diff(self.episodes, prepend=0)


class Episodes(Source):
    """Rows, all drawn equally often; and with each, as "start", the first observation of an episode drawn as often.

    Where `resampled`, a member draws as many units (episodes, or groups of them) as there are, with replacement, once,
    and then only ever sees those: a bootstrap, so the spread of a population is what the log's chance leaves open.
    """

    rows: Batch
    first: Int[Array, " E"]
    length: Int[Array, " E"]
    unit: Int[Array, " E"]
    units: int = static()
    resampled: bool = static()

    @classmethod
    def of(cls, data: Dataset, resampled: bool, columns: tuple[str, ...] = ()) -> Episodes:
        first, length, unit = (jnp.asarray(each, jnp.int32) for each in (data.starts, data.lengths, groups_of(data)))
        return cls(to_device(data, columns), first, length, unit, units=int(unit.max()) + 1, resampled=resampled)

    def init(self, key: PRNGKey) -> Sums:
        every = jnp.arange(self.units)
        drawn = jax.random.choice(key, every, (self.units,)) if self.resampled else every
        times = jnp.bincount(drawn, length=self.units)[self.unit]
        return Sums(jnp.cumsum(times), jnp.cumsum(times * self.length))

    def sample(self, state: Sums, key: PRNGKey, size: int) -> Batch:
        row_key, start_key = jax.random.split(key)
        place, episode = _drawn(state.rows, row_key, size)
        batch = take(self.rows, self.first[episode] + place % self.length[episode])
        start = take(self.rows, self.first[_drawn(state.episodes, start_key, size)[1]])
        return replace(batch, extra={**batch.extra, "start": start.obs})


def _drawn(sums: Int[Array, " E"], key: PRNGKey, size: int) -> tuple[Int[Array, " B"], Int[Array, " B"]]:
    """Places below the last sum, all as likely, counted back from the end of the part that each falls in; that part."""
    place = jax.random.randint(key, (size,), 0, sums[-1])
    part = jnp.searchsorted(sums, place, side="right")
    return sums[part] - 1 - place, part
