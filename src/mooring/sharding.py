"""Populations over several devices: each device has some of the members, and they never talk to each other."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec


def devices_for(members: int) -> int:
    """How many of this process's devices can have equally many members each."""
    return next(count for count in range(jax.local_device_count(), 0, -1) if members % count == 0)


def spread(population: Any, members: int) -> Any:
    """A stacked pytree, its leading axis of so many members shared out over devices; what has no such axis is on all.

    With one device, or where members can not be shared out equally, nothing is moved.
    """
    return _placed(population, members, lambda leaf: leaf.ndim > 0 and leaf.shape[0] == members)


def on_all(tree: Any, members: int) -> Any:
    """A pytree that all members share (a source of batches), whole on each of their devices."""
    return _placed(tree, members, lambda leaf: False)


def _placed(tree: Any, members: int, leads: Any) -> Any:
    count = devices_for(members)
    if count == 1:
        return tree
    mesh = Mesh(np.array(jax.local_devices()[:count]), ("member",))
    shared, whole = (NamedSharding(mesh, PartitionSpec(*axes)) for axes in (("member",), ()))  # type: ignore[no-untyped-call]
    return jax.tree.map(lambda leaf: jax.device_put(leaf, shared if leads(leaf) else whole), tree)
