"""What a source around another one is, whatever it changes."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import equinox as eqx
from jaxtyping import PyTree

from mooring.types import Batch, Metrics, PRNGKey, Source

if TYPE_CHECKING:
    from mooring.types import Algorithm


class Wrapping(Source):
    """Another source, but for what a subclass changes; what the host gives goes to that one."""

    source: eqx.AbstractVar[Source]

    def init(self, key: PRNGKey) -> PyTree:
        return self.source.init(key)

    def refresh(self, state: PyTree, algorithm: Algorithm, agent: PyTree, key: PRNGKey) -> PyTree:
        return self.source.refresh(state, algorithm, agent, key)

    def feedback(self, state: PyTree, batch: Batch, metrics: Metrics) -> PyTree:
        return self.source.feedback(state, batch, metrics)

    def exchanges(self) -> tuple[int, ...]:
        return self.source.exchanges()

    def at(self, step: int) -> Wrapping:
        return replace(self, source=self.source.at(step))

    def close(self) -> None:
        self.source.close()
