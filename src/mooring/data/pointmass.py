"""Data sets of the pointmass mazes, rolled out when they are asked for: small discrete problems of known quality."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import numpy as np

from mooring.data.dataset import Dataset
from mooring.data.episodes import Episode
from mooring.data.spaces import Bounds, Discrete
from mooring.environments.guide import Guide
from mooring.environments.mazes import MOVES
from mooring.environments.pointmass import Pointmass, rollout

STEPS = 10_000
SCORE_RANGES = {"easy": (-49.85, -15.20), "medium": (-146.65, -20.91), "hard": (-100.00, -41.94)}
"""Mean returns of the uniformly random policy and of the guide, each over 10,000 episodes."""


def make(maze: str, **options: Any) -> Dataset:
    """About 10,000 steps of the maze "easy", "medium" or "hard", the same at each call.

    Half of them are a uniformly random policy's; half are a guide's, which knows a shortest path and makes a random
    move half of the time. Episodes are whole. `options` are what `Dataset.from_episodes` takes.
    """
    problem = Pointmass.named(maze)
    wandering, guided = jax.random.split(jax.random.key(0))
    episodes = [*_episodes(problem, 1.0, wandering), *_episodes(problem, 0.5, guided)]
    known: dict[str, Any] = {
        "name": f"pointmass-{maze}",
        "env": f"mooring/Pointmass-{maze}-v0",
        "score_range": SCORE_RANGES[maze],
        "horizon": problem.limit,
        "obs_space": Bounds.of(0, 1, 2),
        "action_space": Discrete(len(MOVES)),
    }
    return Dataset.from_episodes(episodes, **(known | options))


def _episodes(maze: Pointmass, epsilon: float, key: jax.Array) -> list[Episode]:
    """The guide's episodes until they have half of the steps."""
    episodes = eqx.filter_jit(rollout)(maze, Guide.through(maze, epsilon), key, 1_000).episodes()
    steps = np.cumsum([len(episode.action) for episode in episodes])
    return episodes[: np.searchsorted(steps, STEPS // 2) + 1]
