"""A data set's rows as arrays on the device, and how rows are taken from them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import jax
import numpy as np
from jaxtyping import Array, Int

from mooring.errors import BadInput
from mooring.types import Batch

if TYPE_CHECKING:
    from mooring.data.dataset import Dataset


def to_device(data: Dataset, columns: tuple[str, ...] = ()) -> Batch:
    """A data set's rows as one batch of device arrays, with the further columns that are asked for.

    Raises BadInput where rows that lie in files would fill more than half of the machine's memory.
    """
    _check_fits(data)
    return Batch(*jax.device_put(on_host(data, columns), may_alias=False))


def on_host(data: Dataset, columns: tuple[str, ...] = ()) -> tuple[Any, ...]:
    """The same as NumPy arrays, in the order of a batch's fields."""
    extra = {name: data.column(name) for name in columns}
    return data.obs, data.action, data.reward, data.next_obs, data.continues, extra


def _check_fits(data: Dataset) -> None:
    if not isinstance(data.reward, np.memmap):
        return
    size = sum(column.nbytes for column in data.columns().values())
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if size > memory // 2:
        found = f"its {size / 1e9:.0f} GB do not fit in half of this machine's {memory / 1e9:.0f} GB"
        fix = "train an algorithm that draws single rows, which are streamed, or select episodes"
        raise BadInput(data.name, found, fix=fix)


def take(rows: Batch, index: Int[Array, "..."]) -> Batch:
    """Rows by index, which must be in range."""
    return jax.tree.map(lambda leaf: leaf.at[index].get(mode="promise_in_bounds"), rows)
