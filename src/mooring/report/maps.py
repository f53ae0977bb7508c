"""Maps of the pointmass mazes: where the observations of a data set lie."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Bool, Int

from mooring.data.dataset import Dataset
from mooring.environments.mazes import Maze, maze, named_in
from mooring.errors import BadInput
from mooring.report.plots import COLORS, LIGHT, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FINENESS = 20
"""A map has at least so many cells along each side: small mazes' cells are cut into equal parts."""


def maze_of(data: Dataset) -> Maze:
    """The maze that the data are from. Raises BadInput where they are from none."""
    name = named_in(data.env or "")
    if name is None:
        raise BadInput(data.name, f"is from {data.env or 'no known environment'}", "a pointmass maze, to draw a map")
    return maze(name)


def visits(data: Dataset) -> tuple[Int[np.ndarray, "H W"], Bool[np.ndarray, "H W"]]:
    """How many steps led to each cell of the maze's map, and which cells are free."""
    walls = maze_of(data).walls
    parts = -(-FINENESS // min(walls.shape))
    free = ~walls.repeat(parts, axis=0).repeat(parts, axis=1)
    assert isinstance(data.next_obs, np.ndarray)
    cells = np.minimum((data.next_obs * free.shape).astype(int), np.array(free.shape) - 1)
    counts = np.zeros(free.shape, int)
    np.add.at(counts, tuple(cells.T), 1)
    return counts, free


def coverage(data: Dataset) -> tuple[int, int]:
    """How many free cells were visited, and how many there are."""
    counts, free = visits(data)
    return int((counts > 0).sum()), int(free.sum())


def visit_map(data: Dataset, title: str | None = None) -> Figure:
    """The maze from above: darker where more steps led, in powers of ten; walls are gray, start and goal are marked."""
    facts, (counts, free) = maze_of(data), visits(data)
    visited, cells = coverage(data)
    text = f"{data.name}\n{len(data):,} steps visit {visited} of {cells} cells"
    figure, axes = new_figure((6.0, 5.2), title or text)
    height, width = facts.walls.shape
    extent = (0, width, height, 0)
    axes.imshow(np.where(free, np.nan, 0.0), extent=extent, cmap="gray", vmin=-3, vmax=1)
    shades = np.where(counts > 0, np.log10(np.maximum(counts, 1)), np.nan)
    image = axes.imshow(shades, extent=extent, cmap="Blues", vmin=-0.5)
    figure.colorbar(image, ax=axes, shrink=0.8, label="steps that led here, log10")
    for (row, column), marker, color in ((facts.start, "o", COLORS[1]), (facts.goal, "*", COLORS[2])):
        axes.plot(column, row, marker, markersize=13, color=color, markeredgecolor="white")
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set(visible=True, color=LIGHT)
    return figure
