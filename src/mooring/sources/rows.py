"""A data set's rows as arrays on the device, and how rows are taken from them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Int

from mooring.types import Batch

if TYPE_CHECKING:
    from mooring.data.dataset import Dataset


def to_device(data: Dataset, columns: tuple[str, ...] = ()) -> Batch:
    """A data set's rows as one batch of device arrays, with the further columns that are asked for."""
    return Batch(*jax.tree.map(jnp.asarray, on_host(data, columns)))


def on_host(data: Dataset, columns: tuple[str, ...] = ()) -> tuple[Any, ...]:
    """The same as NumPy arrays, in the order of a batch's fields."""
    extra = {name: data.column(name) for name in columns}
    return data.obs, data.action, data.reward, data.next_obs, data.continues, extra


def take(rows: Batch, index: Int[Array, "..."]) -> Batch:
    """Rows by index, which must be in range."""
    return jax.tree.map(lambda leaf: leaf.at[index].get(mode="promise_in_bounds"), rows)
