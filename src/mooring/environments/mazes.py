"""The pointmass mazes of homework 5 of Berkeley's CS285 (fall 2023): maps, moves and noise.

The position is (row, column), real-valued, in unit cells. Both the pure JAX maze (`pointmass`) and the Gymnasium
one (`gymnasium_pointmass`) are made from these facts.
"""

import re
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool

from mooring.errors import unknown

MOVES = ((0.0, 0.0), (0.0, -1.0), (0.0, 1.0), (-1.0, 0.0), (1.0, 0.0))
"""The five actions, as (row, column): stay, left, right, up, down."""

NOISE = 0.5
"""Standard deviation of the normal noise that is added to both coordinates of a move."""

SUBSTEPS = 10
"""A move is made in so many equal parts, each along the rows, then along the columns, unless a wall stops it."""


class Maze(NamedTuple):
    """One map and its task. Start, goal and radius are in cells of the scaled map."""

    rows: tuple[str, ...]  # '#' is a wall
    scale: int  # every character becomes scale x scale cells
    start: tuple[float, float]
    goal: tuple[float, float]
    radius: float  # the goal is reached where the distance is below it
    limit: int  # steps, after which an episode is truncated

    @property
    def walls(self) -> Bool[np.ndarray, "H W"]:
        """True where a cell is a wall."""
        cells = np.array([[cell == "#" for cell in row] for row in self.rows])
        return cells.repeat(self.scale, axis=0).repeat(self.scale, axis=1)


MAZES = {
    "easy": Maze(
        rows=(
            ".....",
            "####.",
            "####.",
            "####.",
            "####.",
        ),
        scale=2,
        start=(1.0, 1.0),
        goal=(9.0, 9.0),
        radius=2.0,
        limit=50,
    ),
    "medium": Maze(
        rows=(
            "..#...",
            "#.#.#.",
            "..#.##",
            ".##..#",
            "..##.#",
            "#....#",
        ),
        scale=1,
        start=(0.5, 0.5),
        goal=(1.5, 5.5),
        radius=1.0,
        limit=150,
    ),
    "hard": Maze(
        rows=(
            ".....#.....",
            ".....#.....",
            "...........",
            ".....#.....",
            ".....#.....",
            "#.####.....",
            ".....###.##",
            ".....#.....",
            ".....#.....",
            "...........",
            ".....#.....",
        ),
        scale=2,
        start=(2.0, 2.0),
        goal=(20.0, 20.0),
        radius=2.0,
        limit=100,
    ),
}


def named_in(env_id: str) -> str | None:
    """The maze of an environment "mooring/Pointmass-NAME-v0" or its dense variant; None for other environments."""
    found = re.fullmatch(r"mooring/Pointmass-(\w+?)(-dense)?-v0", env_id)
    return found[1] if found and found[1] in MAZES else None


def maze(name: str) -> Maze:
    """The maze of that name; BadInput for another."""
    if name not in MAZES:
        raise unknown("pointmass maze", name, MAZES)
    return MAZES[name]
