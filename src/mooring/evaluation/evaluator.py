"""Evaluation that runs beside training: a worker thread plays episodes while the device makes updates."""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor

import jax
import jax.numpy as jnp

from mooring.evaluation.rollouts import Environments
from mooring.evaluation.scores import Evaluation
from mooring.types import Policy, Spec


class Evaluator:
    """Plays the same `episodes` greedy episodes with every population of `members` policies that it is given.

    The environments are made once, by the thread that steps them, and with `spec` checked at once to fit it.
    Results depend on the policies and the seed, never on timing. Close it.
    """

    def __init__(
        self,
        env: str,
        members: int,
        episodes: int,
        seed: int = 0,
        spec: Spec | None = None,
        score_range: tuple[float, float] | None = None,
    ) -> None:
        self.env, self.seed, self.score_range = env, seed, score_range
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="evaluate")
        self._begun: deque[tuple[int, Future[Evaluation]]] = deque()
        self._environments = self._worker.submit(Environments, env, members, episodes, spec).result()

    def submit(self, step: int, policies: Policy) -> None:
        """Begins to evaluate a stacked population as it is after `step` updates."""
        snapshot = jax.tree.map(jnp.copy, policies)  # training donates the buffers that the agent holds
        self._begun.append((step, self._worker.submit(self._evaluate, snapshot)))

    def finished(self, before: int) -> list[tuple[int, Evaluation]]:
        """Waits for every evaluation of a step below `before`; returns those that were not returned yet, in order.

        Raises what an evaluation raised.
        """
        done = []
        while self._begun and self._begun[0][0] < before:
            step, evaluation = self._begun.popleft()
            done.append((step, evaluation.result()))
        return done

    def close(self) -> None:
        """Drops what has not begun, waits for what has, and closes the environments."""
        for _, evaluation in self._begun:
            evaluation.cancel()
        self._worker.submit(self._environments.close).result()
        self._worker.shutdown()

    def _evaluate(self, policies: Policy) -> Evaluation:
        played = self._environments.rollout(policies, self.seed)
        return Evaluation.of(played, self.env, self.seed, sampled=False, score_range=self.score_range)
