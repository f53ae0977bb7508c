"""Missing values: refused by default, filled only as was asked, against values worked by hand."""

import numpy as np
import pytest

from mooring.data import Dataset, from_table
from mooring.errors import BadInput

NONE = None
LOG = {
    "e": [1, 1, 1, 2, 2, 2],
    "t": [0, 1, 2, 0, 1, 2],
    "hr": [1.0, NONE, 3.0, NONE, 5.0, NONE],
    "bp": [1.0, 2.0, 3.0, 4.0, 5.0, float("nan")],
    "sex": ["f", NONE, "f", "m", "m", "m"],
    "ok": [1.0] * 6,
    "dose": [0.0, 1.0, NONE, 0.5, 1.0, NONE],
    "r": [0.0, 0.0, 1.0, 0.0, 0.0, NONE],
    "d": [0, 0, 1, 0, 0, 0],
}


def imported(obs, missing="error", **changes) -> Dataset:
    known = {"action": "ok", "reward": "ok", "terminated": True, "bounds": (0, 1), "episode": "e", "time": "t"}
    return from_table(LOG, obs=obs, missing=missing, **(known | changes))


def filled(obs, missing) -> list:
    return imported(obs, missing).obs.tolist()


def test_the_default_is_to_refuse():
    with pytest.raises(BadInput, match=r"^table, row 1 .e 1.: column hr is missing .3 such rows.; expected a value"):
        imported("ok,hr")
    with pytest.raises(BadInput, match=r"row 5 .e 2.: column bp"):  # NaN is missing, too
        imported("bp")


def test_forward_never_leaves_the_episode():
    with pytest.raises(BadInput, match=r"row 3 .e 2.: column hr is missing .1 such rows"):
        imported("hr", "forward")
    assert filled("hr", "forward+zero") == [[1], [1], [3], [0], [5], [5]]


def test_mean_and_zero():
    assert filled("hr", "mean") == [[1], [3], [3], [3], [5], [3]]
    assert filled("hr", "zero") == [[1], [0], [3], [0], [5], [0]]


def test_an_indicator_is_a_further_entry():
    data = imported("hr,ok", "indicator")
    assert data.labels["obs"] == ("hr", "hr missing", "ok", "ok missing")
    assert data.obs[:, :2].tolist() == [[1, 0], [0, 1], [3, 0], [0, 1], [5, 0], [0, 1]]
    assert imported("hr", "hr=indicator+mean").obs[1].tolist() == [3, 1]


def test_drop_episode():
    assert filled("bp", "drop-episode") == [[1], [2], [3]]
    assert imported("ok", "drop-episode", action="dose", terminated="d").obs.shape == (2, 1)
    with pytest.raises(BadInput, match="every episode was dropped"):
        imported("hr", "drop-episode")


def test_means_are_of_what_is_left():
    assert filled("hr,bp", "hr=mean,bp=drop-episode") == [[1, 1], [2, 2], [3, 3]]


def test_text_has_shares_and_none_of_them():
    assert filled("sex", "mean")[1] == pytest.approx([0.4, 0.6])
    assert filled("sex", "zero")[1] == [0, 0]
    assert filled("sex", "forward")[1] == [1, 0]


def test_rules_by_column_and_pattern():
    assert filled("hr,bp,sex", {"*": "zero", "sex": "forward"})[1] == [0, 2, 1, 0]
    assert filled("hr,bp,sex", "mean,sex=forward,b*=zero")[-1] == [3, 0, 0, 1]
    with pytest.raises(BadInput, match="did you mean forward"):
        imported("hr", "forwards")
    with pytest.raises(BadInput, match=r"column 'hrr' does not exist|'hrr'.*did you mean hr"):
        imported("hr", "hrr=mean")


def test_other_columns_need_a_rule_of_their_own():
    with pytest.raises(BadInput, match=r"row 2 .e 1.: column dose is missing .1 such rows"):
        imported("hr", "zero", action="dose", terminated="d")
    with pytest.raises(BadInput, match="column dose is missing"):
        imported("hr", {"*": "zero"}, action="dose", terminated="d")
    data = imported("hr", "zero,dose=forward", action="dose", terminated="d")
    assert data.action[:, 0].tolist() == [0, 1, 1, 0.5, 1]
    with pytest.raises(BadInput, match="only observations have indicators"):
        imported("hr", "zero,dose=indicator", action="dose")
    with pytest.raises(BadInput, match="text has no mean"):
        imported("ok", "sex=mean", action="sex", bounds=None)


def test_what_is_left_out_may_lack_action_and_reward():
    log = LOG | {"dose": [0.0, 1.0, 0.25, 0.5, 1.0, None]}
    data = from_table(log, obs="ok", action="dose", reward="r", terminated="d", episode="e", time="t")
    assert data.reward.tolist() == [0, 0, 1, 0, 0]


def test_flags_may_be_told_that_missing_means_no():
    log = LOG | {"d": [None, None, 1, None, None, None]}
    roles = {"obs": "ok", "action": "ok", "reward": "ok", "bounds": (0, 1), "episode": "e", "time": "t"}
    with pytest.raises(BadInput, match=r"row 0: column d is missing.*missing 'd=zero'"):
        from_table(log, terminated="d", **roles)
    data = from_table(log, terminated="d", missing="d=zero", **roles)
    np.testing.assert_array_equal(data.continues, [1, 1, 0, 1, 1])
