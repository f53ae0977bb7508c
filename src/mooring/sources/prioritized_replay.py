"""A ring buffer whose rows are drawn by priorities."""

from __future__ import annotations

import jax.numpy as jnp
from jaxtyping import Array, Float

from mooring.sources import sum_tree
from mooring.sources.prioritized import drawn, reconsidered
from mooring.sources.replay import Replay, ReplayState
from mooring.types import Batch, Metrics, PRNGKey, scalar


class PrioritizedState(ReplayState):
    """With a priority for each place of the ring, and the largest one so far."""

    tree: sum_tree.Tree
    largest: Float[Array, ""]


class PrioritizedReplay(Replay):
    """A replay buffer that is drawn from as `Prioritized` draws from logged rows; new ones get the largest priority."""

    alpha: Float[Array, ""]
    least: Float[Array, ""]

    @classmethod
    def over(cls, replay: Replay, alpha: float = 0.4, least: float = 1.0) -> PrioritizedReplay:
        """That buffer, drawn by priorities."""
        return cls(replay.first, replay.capacity, scalar(alpha), scalar(least))

    def init(self, key: PRNGKey) -> PrioritizedState:
        plain = Replay(self.first, self.capacity).init(key)
        tree = sum_tree.build(jnp.where(jnp.arange(self.capacity) < plain.count, 1.0, 0.0))
        return PrioritizedState(plain.rows, plain.count, tree, jnp.ones(()))

    def add(self, state: ReplayState, rows: Batch) -> PrioritizedState:
        assert isinstance(state, PrioritizedState)
        plain, added = super().add(state, rows), rows.reward.shape[0]
        place = self.places(state.count + added, added)
        tree = sum_tree.put(state.tree, place, jnp.broadcast_to(state.largest, added))
        return PrioritizedState(plain.rows, plain.count, tree, state.largest)

    def sample(self, state: ReplayState, key: PRNGKey, size: int) -> Batch:
        assert isinstance(state, PrioritizedState)
        return drawn(state.rows, state.tree, key, size)

    def feedback(self, state: PrioritizedState, batch: Batch, metrics: Metrics) -> PrioritizedState:
        tree = reconsidered(state.tree, batch, metrics, self.alpha, self.least)
        largest = jnp.maximum(state.largest, jnp.max(sum_tree.priorities(tree)[batch["row"]]))
        return PrioritizedState(state.rows, state.count, tree, largest)
