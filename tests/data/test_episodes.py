"""Episodes of T + 1 observations and T actions, laid end to end."""

import numpy as np
import pytest

from mooring.data import Dataset, Episode
from mooring.errors import BadInput


def episode(first: float, steps: int, **changes) -> Episode:
    columns = {
        "obs": first + np.arange(steps + 1, dtype=np.float32)[:, None],
        "action": np.full((steps, 1), first / 100),
        "reward": np.full(steps, first),
        "terminated": False,
    }
    return Episode(**(columns | changes))


def test_observations_do_not_slip_across_episodes():
    data = Dataset.from_episodes([episode(0, 3, terminated=True), episode(50, 2), episode(90, 1)])
    assert data.obs[:, 0].tolist() == [0, 1, 2, 50, 51, 90]
    assert data.next_obs[:, 0].tolist() == [1, 2, 3, 51, 52, 91]
    assert data.continues.tolist() == [1, 1, 0, 1, 1, 1]
    assert data.lengths.tolist() == [3, 2, 1]
    assert data.returns.tolist() == [0, 100, 90]


def test_dict_observations_and_extra_columns():
    obs = {"a": np.arange(4.0)[:, None], "b": np.arange(4)}
    data = Dataset.from_episodes([episode(0, 3, obs=obs, extra={"tag": np.arange(3)})] * 2, name="two")
    assert data.next_obs["b"].tolist() == [1, 2, 3, 1, 2, 3]
    assert data.extra["tag"].tolist() == [0, 1, 2, 0, 1, 2]
    assert data.name == "two"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"obs": np.zeros((3, 1))}, "episode 1: obs has 3 rows for 3 actions; expected 4: one before each action"),
        ({"obs": {"a": np.zeros((4, 1))}}, "episode 1: its columns differ"),
        ({"reward": np.zeros(4)}, "episode 1: reward has 4 rows for 3 actions"),
        ({"extra": {"tag": np.zeros(3)}}, "episode 1: its columns differ"),
        ({"action": np.zeros((0, 1))}, "episode 1: no steps"),
    ],
)
def test_misaligned_episodes_are_refused(changes, message):
    with pytest.raises(BadInput, match=message):
        Dataset.from_episodes([episode(0, 3), episode(1, 3, **changes)])


def test_no_episodes():
    with pytest.raises(BadInput, match="no episodes"):
        Dataset.from_episodes([])
