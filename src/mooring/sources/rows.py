"""A data set's rows as arrays on the device, and how rows are taken from them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
from jaxtyping import Array, Int

from mooring.types import Batch

if TYPE_CHECKING:
    from mooring.data.dataset import Dataset


def to_device(data: Dataset, columns: tuple[str, ...] = ()) -> Batch:
    """A data set's rows as one batch of device arrays, with the further columns that are asked for."""
    extra = {name: data.column(name) for name in columns}
    rows = (data.obs, data.action, data.reward, data.next_obs, data.continues, extra)
    return Batch(*jax.tree.map(jnp.asarray, rows))


def take(rows: Batch, index: Int[Array, "..."]) -> Batch:
    """Rows by index, which must be in range."""
    return jax.tree.map(lambda leaf: leaf.at[index].get(mode="promise_in_bounds"), rows)
