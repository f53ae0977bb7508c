"""The pointmass mazes as a Gymnasium environment in plain NumPy: quick to step one by one.

Terminated at the goal only; the limit of steps is the registered `max_episode_steps`, which truncates.
"""

from __future__ import annotations

import math
from typing import Any, SupportsInt

import gymnasium
import numpy as np
from jaxtyping import Float

from mooring.environments.mazes import MAZES, MOVES, NOISE, SUBSTEPS, maze


class PointmassEnv(gymnasium.Env[np.ndarray, SupportsInt]):
    """The same task as `mooring.environments.pointmass.Pointmass`, with noise from the environment's own generator."""

    def __init__(self, name: str, dense: bool = False) -> None:
        facts = maze(name)
        self.dense = dense
        self.goal, self.radius, self.start = facts.goal, facts.radius, facts.start
        self.free = (~facts.walls).tolist()
        self.height, self.width = facts.walls.shape
        self.state = self.start
        self.observation_space = gymnasium.spaces.Box(0.0, 1.0, (2,), np.float32)
        self.action_space = gymnasium.spaces.Discrete(len(MOVES))

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Float[np.ndarray, "2"], dict[str, Any]]:
        """To the start."""
        super().reset(seed=seed)
        self.state = self.start
        return self._observation(), {}

    def step(self, action: SupportsInt) -> tuple[Float[np.ndarray, "2"], float, bool, bool, dict[str, Any]]:
        """One noisy move. Reward 0 within the goal's radius and -1 elsewhere; dense: minus the distance."""
        noise = self.np_random.normal(0.0, NOISE, 2).tolist()
        move = MOVES[int(action)]
        self._slide((move[0] + noise[0]) / SUBSTEPS, (move[1] + noise[1]) / SUBSTEPS)
        distance = math.dist(self.state, self.goal)
        reached = distance < self.radius
        reward = -distance if self.dense else reached - 1.0
        return self._observation(), reward, reached, False, {}

    def _slide(self, down: float, right: float) -> None:
        row, column = self.state
        for _ in range(SUBSTEPS):
            if self._is_free(row + down, column):
                row += down
            if self._is_free(row, column + right):
                column += right
        self.state = row, column

    def _is_free(self, row: float, column: float) -> bool:
        inside = 0.0 <= row < self.height and 0.0 <= column < self.width
        return inside and self.free[int(row)][int(column)]

    def _observation(self) -> Float[np.ndarray, "2"]:
        return np.array([self.state[0] / self.height, self.state[1] / self.width], np.float32)


def register() -> None:
    """Makes mooring/Pointmass-{easy,medium,hard}-v0, and -dense-v0 of each, known to Gymnasium."""
    for name, facts in MAZES.items():
        for dense in (False, True):
            env_id = f"mooring/Pointmass-{name}{'-dense' if dense else ''}-v0"
            if env_id not in gymnasium.registry:
                gymnasium.register(
                    env_id,
                    entry_point=f"{__name__}:PointmassEnv",
                    kwargs={"name": name, "dense": dense},
                    max_episode_steps=facts.limit,
                )
