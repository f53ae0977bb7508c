"""The pointmass data sets by name."""

import numpy as np
import pytest

from mooring.data import load, pointmass
from mooring.environments import fitting, making
from mooring.environments.mazes import MAZES
from mooring.errors import BadInput


@pytest.mark.parametrize("maze", MAZES)
def test_a_name_makes_a_data_set_of_its_environment(maze):
    data = load(f"pointmass-{maze}")
    assert (data.name, data.env, data.horizon) == (
        f"pointmass-{maze}",
        f"mooring/Pointmass-{maze}-v0",
        MAZES[maze].limit,
    )
    assert pointmass.STEPS <= len(data) < pointmass.STEPS + 2 * data.horizon
    assert set(np.unique(data.action)) == {0, 1, 2, 3, 4}
    env = making.make(data.env)
    fitting.check_spaces(env, data.spec())
    env.close()


def test_it_is_the_same_each_time_and_takes_options():
    assert load("pointmass-easy").fingerprint() == load("pointmass-easy", name="other").fingerprint()
    assert load("pointmass-easy", name="other").name == "other"


@pytest.mark.parametrize("maze", MAZES)
def test_half_is_random_and_half_is_better(maze):
    data = load(f"pointmass-{maze}")
    guided = data.starts >= pointmass.STEPS // 2 + data.horizon
    random_return, expert_return = data.score_range
    assert abs(data.returns[data.starts < pointmass.STEPS // 2].mean() - random_return) < 0.03 * abs(random_return)
    assert random_return + 5 < data.returns[guided].mean() < expert_return


def test_terminations_are_at_the_goal_and_time_limits_are_not_terminations():
    data = load("pointmass-medium")
    goal, size = np.array(MAZES["medium"].goal), np.array(MAZES["medium"].walls.shape)
    near = np.linalg.norm(data.next_obs * size - goal, axis=1) < MAZES["medium"].radius
    np.testing.assert_array_equal(near, data.continues == 0)
    assert (data.lengths[data.continues[data.ends] == 1] == 150).all()


def test_a_name_that_is_nearly_right():
    with pytest.raises(BadInput, match="did you mean pointmass-easy"):
        load("pointmass-eazy")
