"""Bad input at the border: one line that names the place, the field, the first row and the count."""

import numpy as np
import pytest

from mooring.data import Bounds, Dataset, Discrete
from mooring.errors import BadInput

ROWS = 5


def build(**changes) -> Dataset:
    columns = {
        "obs": np.ones((ROWS, 3)),
        "next_obs": np.ones((ROWS, 3)),
        "action": np.zeros((ROWS, 2)),
        "reward": np.zeros(ROWS),
        "terminated": np.zeros(ROWS, bool),
        "where": "logs.npz",
    }
    return Dataset.build(**(columns | changes))


def spoiled(shape: tuple[int, ...], value: float, rows: list[int]) -> np.ndarray:
    array = np.zeros(shape)
    array[rows] = value
    return array


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"action": np.zeros((4, 2))}, "logs.npz: action has 4 rows and reward has 5"),
        ({"truncated": np.zeros(4)}, "truncated has 4 rows"),
        ({"extra": {"tag": np.zeros(6)}}, r"extra\[tag\] has 6 rows"),
        ({"obs": spoiled((ROWS, 3), np.nan, [1, 3])}, "obs holds NaN or infinity in 2 rows, first row 1"),
        ({"next_obs": spoiled((ROWS, 3), np.inf, [4])}, "next_obs holds NaN or infinity in 1 rows, first row 4"),
        ({"reward": spoiled((ROWS,), -np.inf, [2])}, "reward holds NaN or infinity in 1 rows, first row 2"),
        ({"reward": spoiled((ROWS,), 1e300, [2])}, "reward holds NaN or infinity in 1 rows, first row 2"),
        ({"action": spoiled((ROWS, 2), np.nan, [0])}, "action holds NaN or infinity in 1 rows, first row 0"),
        ({"extra": {"tag": spoiled((ROWS,), np.nan, [3])}}, "tag holds NaN or infinity in 1 rows, first row 3"),
        ({"obs": np.full((ROWS, 3), "a")}, "obs has dtype <U1"),
        ({"obs": np.full((ROWS, 3), None)}, "obs has dtype object; expected numbers"),
        ({"obs": [[1, 2], [1]]}, "obs is ragged"),
        ({"reward": np.zeros((ROWS, 2))}, r"reward has shape \(5, 2\)"),
        ({"reward": 3.0}, "reward is a single number"),
        ({"terminated": [0, 0, 2, 0, 0]}, "terminated is 2 in row 2; expected 0 or 1"),
        ({"obs": np.zeros((ROWS, 3, 3))}, r"obs has shape \(5, 3, 3\)"),
        ({"next_obs": np.ones((ROWS, 4))}, "obs and next_obs differ"),
        ({"obs": {}}, "obs is an empty dict"),
    ],
)
def test_bad_columns(changes, message):
    with pytest.raises(BadInput, match=message):
        build(**changes)


def test_no_rows():
    with pytest.raises(BadInput, match="no rows"):
        build(obs=np.ones((0, 3)), next_obs=np.ones((0, 3)), action=np.ones((0, 2)), reward=[], terminated=[])


def test_no_rows_of_integers():
    none = np.zeros(0, int)
    with pytest.raises(BadInput, match="no rows"):
        build(obs=none, next_obs=none, action=none, reward=none, terminated=none)


def test_a_dict_names_the_part():
    parts = {"hand": np.ones((ROWS, 2)), "eye": spoiled((ROWS, 2), np.nan, [4])}
    with pytest.raises(BadInput, match=r"obs\[eye\] holds NaN or infinity in 1 rows, first row 4"):
        build(obs=parts, next_obs=parts)


def test_actions_outside_known_bounds():
    message = r"action lies outside its bounds in 2 rows, first row 1 \(entry 0 is 3\); expected -2 to 2$"
    with pytest.raises(BadInput, match=message):
        build(action=spoiled((ROWS, 2), 3.0, [1, 3]), action_space=Bounds.of(-2, 2, 2))


def test_the_first_bad_row_is_counted_before_rows_are_dropped():
    with pytest.raises(BadInput, match="in 1 rows, first row 3"):
        build(action=spoiled((ROWS, 2), 3.0, [3]), next_obs=None, truncated=[1, 0, 1, 0, 0])


def test_unknown_bounds_are_taken_for_one_only_where_the_data_agree():
    assert build().action_space.low.tolist() == [-1, -1]
    with pytest.raises(BadInput, match=r"expected -1 to 1; the bounds are not known: give action_space"):
        build(action=spoiled((ROWS, 2), 1.5, [2]))
    with pytest.raises(BadInput, match="bounds are not known"):
        build(action=spoiled((ROWS, 2), 1.5, [2]), action_space=Bounds.unknown(2))


def test_rounding_is_clipped():
    data = build(action=spoiled((ROWS, 2), 1 + 1e-6, [2]))
    assert data.action.max() == 1


def test_bounds_of_another_size():
    with pytest.raises(BadInput, match="do not fit 2 entries"):
        build(action_space=Bounds.of(-1, 1, 3))
    with pytest.raises(BadInput, match="each low below its high"):
        Bounds.of(1, -1, 2)


def test_integer_valued_floats_stay_continuous():
    data = build(action=np.array([0.0, 1.0, -1.0, 1.0, 0.0]))
    assert isinstance(data.action_space, Bounds)
    assert data.action.shape == (ROWS, 1)
    assert data.action.dtype == np.float32


@pytest.mark.parametrize("shape", [(ROWS,), (ROWS, 1)])
def test_one_integer_per_row_is_discrete(shape):
    data = build(action=np.array([0, 1, 2, 1, 0], np.int64).reshape(shape))
    assert data.action_space == Discrete(3)
    assert data.action.dtype == np.int32
    assert data.action.shape == (ROWS,)


def test_rows_of_integers_are_refused_as_discrete_and_taken_where_bounds_say_so():
    integers = np.array([[0, 1]] * ROWS)
    with pytest.raises(BadInput, match="if the actions are continuous, convert them to float32"):
        build(action=integers)
    assert build(action=integers, action_space=Bounds.of(0, 1, 2)).action.dtype == np.float32


def test_discrete_actions_out_of_range():
    actions = np.array([0, 1, 7, 1, 8])
    with pytest.raises(BadInput, match=r"action lies outside in 2 rows, first row 2 \(7\); expected 0 to 3"):
        build(action=actions, action_space=Discrete(4))
    with pytest.raises(BadInput, match=r"first row 0 \(-1\)"):
        build(action=actions - 1)
    with pytest.raises(BadInput, match="dtype float64; expected integers"):
        build(action=actions.astype(float), action_space=Discrete(9))
    with pytest.raises(BadInput, match="does not fit 32 bits"):
        build(action=actions + 2**40)


def test_integer_observations_in_their_space():
    obs = np.array([0, 1, 2, 3, 4])
    assert build(obs=obs, next_obs=obs, obs_space=Discrete(9)).obs_space == Discrete(9)
    with pytest.raises(BadInput, match=r"next_obs lies outside in 1 rows, first row 4 \(5\)"):
        build(obs=obs, next_obs=obs + 1, obs_space=Discrete(5))


def test_nothing_to_follow():
    with pytest.raises(BadInput, match="no row has a next observation"):
        build(next_obs=None, truncated=np.ones(ROWS))
