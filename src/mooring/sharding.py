"""Training over several devices: each has some of the members, or some of the rows of every batch, or both.

Members never talk to each other. Where batches are split, devices add up their gradients once an update.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from mooring.sources.split import ROW, Split
from mooring.types import Source

MEMBER = "member"


class Layout(NamedTuple):
    """Devices in a grid: members along one side, rows of a batch along the other."""

    members: int
    mesh: Mesh

    @classmethod
    def of(cls, members: int, batch_size: int = 1) -> Layout:
        """As many of this process's devices as can have equal shares of the members, then of so many rows."""
        devices = jax.local_devices()
        across = largest_share(members, len(devices))
        down = largest_share(batch_size, len(devices) // across)
        return cls(members, Mesh(np.array(devices[: across * down]).reshape(across, down), (MEMBER, ROW)))

    def spread(self, population: Any) -> Any:
        """A stacked pytree, its leading axis of members shared out; what has no such axis is on every device."""
        return self._placed(population, lambda leaf: leaf.ndim > 0 and leaf.shape[0] == self.members)

    def feed(self, source: Source) -> Source:
        """A source that all members share, its data whole on each device, its batches split where rows are."""
        whole = self._placed(source, lambda leaf: False)
        return Split(whole, self.mesh) if self.mesh.shape[ROW] > 1 else whole

    def _placed(self, tree: Any, leads: Callable[[Any], bool]) -> Any:
        if self.mesh.size == 1:
            return tree
        shared, whole = (NamedSharding(self.mesh, PartitionSpec(*axes)) for axes in ((MEMBER,), ()))  # type: ignore[no-untyped-call]
        return jax.tree.map(lambda leaf: jax.device_put(leaf, shared if leads(leaf) else whole), tree)


def largest_share(things: int, devices: int) -> int:
    """How many of the devices can have equally many of the things each."""
    return next(count for count in range(devices, 0, -1) if things % count == 0)
