"""Environments of one kind that go forward together, one after the other in this process. Without JAX."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Any

import numpy as np
from jaxtyping import Bool, Float64

Rows = Any
"""Observations of all: an array (N, ...), or a dictionary of such."""


class Failed(Exception):
    """The environment `index` of a group failed."""

    def __init__(self, index: int, trouble: str) -> None:
        super().__init__(trouble)
        self.index, self.trouble = index, trouble


class Group:
    """`count` environments, the first of which may be made already; played as often as wanted. Close them."""

    def __init__(self, count: int, make_one: Callable[[], Any], first: Any = None) -> None:
        with ExitStack() as made:
            self.envs = [] if first is None else [made.enter_context(first)]
            while len(self.envs) < count:
                self.envs.append(made.enter_context(make_one()))
            self._open = made.pop_all()
        self._obs: list[Any] = []

    def close(self) -> None:
        """Closes every environment."""
        self._open.close()

    def reset(self, seeds: Sequence[int]) -> Rows:
        """First observations. Raises Failed."""
        self._obs = []
        for env, seed in zip(self.envs, seeds, strict=True):
            try:
                self._obs.append(env.reset(seed=seed)[0])
            except Exception as error:
                raise Failed(len(self._obs), told(error)) from error
        return rows(self._obs)

    def step(
        self, action: np.ndarray, alive: Bool[np.ndarray, " N"]
    ) -> tuple[Rows, Float64[np.ndarray, " N"], Bool[np.ndarray, " N"]]:
        """Steps those that are alive: observations, rewards, and which of them ended just now. Raises Failed.

        Observations of the others stay as they were, and their rewards are 0.
        """
        reward, ended = np.zeros(len(self.envs)), np.zeros(len(self.envs), bool)
        for index in np.flatnonzero(alive).tolist():
            try:
                self._obs[index], reward[index], terminated, truncated, _ = self.envs[index].step(action[index])
            except Exception as error:
                raise Failed(index, told(error)) from error
            ended[index] = terminated or truncated
        return rows(self._obs), reward, ended


def told(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


def rows(obs: Sequence[Any]) -> Rows:
    """Single observations as rows in the types of `Dataset.obs`. New arrays each time: JAX may keep the old ones."""
    if isinstance(obs[0], dict):
        return {name: rows([each[name] for each in obs]) for name in obs[0]}
    return _typed(np.array(obs))


def _typed(rows: np.ndarray) -> np.ndarray:
    if rows.ndim == 1 and rows.dtype.kind in "iu":
        return rows.astype(np.int32)
    return rows if rows.ndim == 4 and rows.dtype == np.uint8 else rows.astype(np.float32)
