"""PointMaze and AntMaze of Gymnasium-Robotics: goals in dict observations, and the recipe."""

import numpy as np
import pytest

from mooring.data.collecting import Task

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*is out of date"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]


@pytest.fixture
def robotics():
    pytest.importorskip("gymnasium_robotics", reason="needs gymnasium-robotics")


@pytest.mark.parametrize(
    ("name", "parts"), [("PointMaze_UMaze-v3", (2, 2, 4)), ("AntMaze_UMaze-v5", (2, 2, 105))], ids=["point", "ant"]
)
def test_observations_hold_where_it_is_and_where_to_go(robotics, name, parts):
    space = Task.of(f"gymnasium_robotics:{name}").obs_space
    assert sorted(space) == ["achieved_goal", "desired_goal", "observation"]
    assert tuple(len(space[part].low) for part in sorted(space)) == parts


def test_the_recipe_runs(example, robotics):
    data, found = example("pointmaze.py:main")(steps=100, updates=20, episodes=1)
    assert data.obs["desired_goal"].shape == (100, 2)
    assert np.isfinite(found.returns).all()
