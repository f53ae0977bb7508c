"""A source whose batches are shared out over devices by rows, for batches and networks that are too large for one."""

from __future__ import annotations

import jax
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import PyTree

from mooring.sources.wrapping import Wrapping
from mooring.types import Batch, PRNGKey, Source, static

ROW = "row"


class Split(Wrapping):
    """Another source's batches, each device along the mesh's axis `ROW` having equally many of the rows.

    An update then runs where its rows are, and JAX adds up over devices what has to be (losses, gradients): the agent
    is what one device would make of the batch, up to rounding.
    """

    source: Source
    mesh: Mesh = static()

    def sample(self, state: PyTree, key: PRNGKey, size: int) -> Batch:
        rows = NamedSharding(self.mesh, PartitionSpec(ROW))  # type: ignore[no-untyped-call]
        batch = self.source.sample(state, key, size)
        return jax.lax.with_sharding_constraint(batch, rows)  # type: ignore[no-untyped-call]
