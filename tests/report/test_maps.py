"""Maps of mazes: which cells the steps of a data set led to."""

import numpy as np
import pytest

from mooring.data import Dataset, Discrete, load
from mooring.environments.mazes import MAZES, named_in
from mooring.errors import BadInput
from mooring.report.maps import coverage, visit_map, visits


def walked(cells, env):
    """One step to each cell center, given in units of the map's cells."""
    height, width = MAZES[named_in(env)].walls.shape
    after = (np.array(cells, float) + 0.5) / [height, width]
    rows = len(after)
    columns = (after, np.zeros(rows, int), np.zeros(rows), np.zeros(rows))
    return Dataset.build(*columns, next_obs=after, action_space=Discrete(5), env=env, name="walked")


def test_every_step_is_counted_where_it_led():
    data = walked([(2, 3), (2, 3), (21, 21), (0, 0)], "mooring/Pointmass-hard-v0")
    counts, free = visits(data)
    assert counts.shape == (22, 22)
    np.testing.assert_array_equal(free, ~MAZES["hard"].walls)
    assert (counts[2, 3], counts[21, 21], counts[0, 0], counts.sum()) == (2, 1, 1, 4)
    assert coverage(data) == (3, 416)


def test_small_mazes_are_cut_finer():
    counts, free = visits(walked([(0, 0)], "mooring/Pointmass-medium-dense-v0"))
    assert counts.shape == (24, 24)
    assert counts[2, 2] == 1
    assert free.sum() == 16 * (~MAZES["medium"].walls).sum()


def test_logged_steps_lead_to_free_cells_alone():
    counts, free = visits(load("pointmass-hard"))
    assert not counts[~free].any()


def test_a_map_says_what_it_shows():
    figure = visit_map(walked([(2, 3), (4, 4)], "mooring/Pointmass-easy-v0"))
    assert figure.axes[0].get_title(loc="left") == "walked\n2 steps visit 2 of 144 cells"


def test_only_mazes_have_maps():
    assert named_in("mooring/Pointmass-nowhere-v0") is None
    obs = np.zeros((2, 2))
    data = Dataset.build(obs, np.zeros(2, int), [0, 0], [1, 1], next_obs=obs, env="CartPole-v1", name="poles")
    with pytest.raises(BadInput, match="is from CartPole-v1"):
        visit_map(data)
