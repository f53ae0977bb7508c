"""Films: the very episodes of an evaluation, as pictures or as dots in a maze."""

import io
import re
from base64 import b64decode

import jax
import numpy as np
import pytest
from test_page import Elements

from mooring.algorithms.imitation.bc import BC
from mooring.data import Dataset, load
from mooring.errors import BadInput
from mooring.evaluation import evaluate
from mooring.report import film as films
from mooring.report.film import film
from mooring.types import Policy

MAZE = "mooring/Pointmass-easy-v0"


def fresh(data: Dataset) -> Policy:
    """A policy that has learned nothing."""
    algorithm = BC(hidden=(8,))
    return algorithm.policy(algorithm.init(jax.random.key(0), data.spec()))


@pytest.fixture(scope="module")
def walker() -> Policy:
    """For the mazes."""
    rows = np.arange(20)
    return fresh(Dataset.build(np.full((20, 2), 0.5), rows % 5, np.zeros(20), rows == 19))


def test_dots_walk_through_the_maze_as_in_an_evaluation(walker):
    text = film(walker, MAZE, "a <policy>")
    Elements(text)
    assert "<policy>" not in text
    walks = [
        [tuple(map(float, place.split(","))) for place in path.split()]
        for path in re.findall(r'data-path="([^"]*)"', text)
    ]
    played = evaluate(walker, MAZE, episodes=films.WALKS)
    assert [len(walk) - 1 for walk in walks] == played.lengths[0].tolist()
    assert f"5 episodes of mean return {played.returns.mean():,.1f}" in text
    assert all(walk[0] == (1.0, 1.0) for walk in walks)
    assert all(0 <= x <= 10 and 0 <= y <= 10 for walk in walks for x, y in walk)


def test_pictures_of_a_cheetah(monkeypatch):
    pytest.importorskip("mujoco")
    image = pytest.importorskip("PIL.Image")
    monkeypatch.setattr(films, "FRAMES", 10)
    policy = fresh(load("quickstart"))
    try:
        text = film(policy, "HalfCheetah-v5", "a policy")
    except Exception as error:
        if "EGL" not in repr(error) and "OpenGL" not in repr(error):
            raise
        pytest.skip(f"needs a driver that draws without a window: {error}")
    returned = evaluate(policy, "HalfCheetah-v5", episodes=1).returns[0, 0]
    assert f"Return {returned:,.1f} in 1,000 steps, greedy: the first 18 steps of it." in text
    assert 'max="9"' in text
    found = re.search(r"data:image/webp;base64,([\w+/=]*)", text)
    sheet = np.asarray(image.open(io.BytesIO(b64decode(found[1]))), float)
    assert sheet.shape == (2 * films.HEIGHT, films.COLUMNS * films.WIDTH, 3)
    tiles = sheet.reshape(2, films.HEIGHT, films.COLUMNS, films.WIDTH, 3).transpose(0, 2, 1, 3, 4).reshape(16, -1)
    assert all(tile.std() > 10 for tile in tiles[:10])
    assert np.abs(tiles[9] - tiles[0]).mean() > 1
    assert tiles[10:].mean() < 2


def test_what_can_not_be_filmed(walker):
    with pytest.raises(BadInput, match="does not exist"):
        film(walker, "NoSuch-v9", "")
    with pytest.raises(BadInput, match="draws no pictures"):
        films._rhythm(MAZE)
