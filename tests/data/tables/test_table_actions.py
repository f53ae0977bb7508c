"""Actions: whether columns are choices or amounts is decided by their type, or said."""

import numpy as np
import pytest

from mooring.data import Bounds, Dataset, Discrete, from_table
from mooring.errors import BadInput

LOG = {
    "x": [0.0, 1.0, 2.0, 3.0],
    "r": [0.0, 0.0, 0.0, 1.0],
    "fluid": [0, 2, 1, 0],
    "drug": [5, 10, 5, 20],
    "route": ["oral", "iv", "oral", "iv"],
    "dose": [0.0, 2.0, 1.0, 0.5],
    "units": [0.0, 2.0, 1.0, 0.0],
}


def imported(action, **changes) -> Dataset:
    return from_table(LOG, obs="x", reward="r", terminated=True, action=action, **changes)


def test_whole_numbers_are_choices_unless_said_otherwise():
    data = imported("fluid")
    assert data.action_space == Discrete(3)
    assert data.action.tolist() == [0, 2, 1, 0]
    assert "action" not in data.labels
    amounts = imported("fluid", action_type="continuous")
    assert isinstance(amounts.action_space, Bounds)
    assert amounts.action.tolist() == [[0], [2], [1], [0]]


def test_whole_numbers_are_themselves_or_are_counted():
    assert imported("drug").action_space == Discrete(21)
    counted = imported("drug", action_type="categories")
    assert counted.action.tolist() == [0, 1, 0, 2]
    assert counted.labels["action"] == ("5", "10", "20")


def test_floats_are_amounts_even_where_they_are_whole_and_that_is_said():
    said = []
    data = imported("units", say=said.append)
    assert isinstance(data.action_space, Bounds)
    assert "holds whole numbers only, but is taken for continuous" in said[-1]
    assert imported("units", action_type="discrete").action.tolist() == [0, 2, 1, 0]
    with pytest.raises(BadInput, match=r"row 3: action column dose is 0.5 .1 such rows.; expected a whole number"):
        imported("dose", action_type="discrete")


def test_text_is_counted_in_order():
    data = imported("route")
    assert data.action.tolist() == [1, 0, 1, 0]
    assert data.labels["action"] == ("iv", "oral")
    with pytest.raises(BadInput, match="holds text"):
        imported("route", action_type="continuous")


def test_several_choices_become_one():
    data = imported("fluid,route", action_type="discrete")
    assert data.action_space == Discrete(6)
    assert data.action.tolist() == [1, 4, 3, 0]
    assert data.labels["action"][4] == "fluid=2 route=iv"
    with pytest.raises(BadInput, match="fluid, drug hold whole numbers or text, so they could be amounts or choices"):
        imported("fluid,drug")


def test_several_amounts_are_a_vector_with_bounds_of_their_own():
    data = imported("dose,units", bounds={"dose": (-1, 4)})
    assert data.action.shape == (4, 2)
    assert data.action_space.low.tolist() == [-1, 0]
    assert data.action_space.high.tolist() == [4, 2]
    np.testing.assert_array_equal(imported("dose,units", bounds=(0, 9)).action_space.high, [9, 9])


@pytest.mark.parametrize(
    ("action", "changes", "message"),
    [
        ("dose", {"bounds": (0, 1)}, "row 1: action column dose is 2 .1 rows are outside.; expected 0 to 1"),
        ("dose", {"bounds": {"doze": (0, 2)}}, "did you mean dose"),
        ("fluid", {"bounds": (0, 2)}, "bounds were given, but the actions are discrete"),
        ("r", {"action_type": "discret"}, "did you mean discrete"),
        ("drug,fluid,units", {"action_type": "auto"}, "could be amounts or choices"),
    ],
)
def test_what_does_not_fit(action, changes, message):
    with pytest.raises(BadInput, match=message):
        imported(action, **changes)


def test_an_amount_that_never_changes_needs_bounds():
    constant = LOG | {"dose": [1.0] * 4}
    with pytest.raises(BadInput, match="dose is 1 in every row; give its bounds"):
        from_table(constant, obs="x", reward="r", terminated=True, action="dose")


def test_too_many_choices():
    large = LOG | {"drug": [5000, 0, 1, 2], "fluid": [3999, 0, 0, 0]}
    with pytest.raises(BadInput, match="row 0: action column drug is 5000"):
        from_table(large, obs="x", reward="r", terminated=True, action="drug")
    with pytest.raises(BadInput, match="4000 x 2 discrete actions"):
        from_table(large, obs="x", reward="r", terminated=True, action="fluid,route", action_type="discrete")
