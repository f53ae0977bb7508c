"""Your own data in Mooring: any function that returns a `Dataset`. See `my_algorithm.py` for how to train on it.

Here a clumsy guide walks through a small maze. Yours would read a log, and name what it finds:
`Dataset.build(obs=..., action=..., reward=..., terminated=...)`.
"""

import equinox as eqx
import jax

from mooring.data import Dataset, Discrete
from mooring.environments.guide import Guide
from mooring.environments.pointmass import Pointmass, rollout


def load() -> Dataset:
    """300 episodes in which every second move is random."""
    maze = Pointmass.named("easy")
    played = eqx.filter_jit(rollout)(maze, Guide.through(maze, epsilon=0.5), jax.random.key(0), 300)
    about = {"name": "my-maze", "env": "mooring/Pointmass-easy-v0", "action_space": Discrete(5), "horizon": maze.limit}
    return Dataset.from_episodes(played.episodes(), **about)
