"""`from_table` on small tables with outcomes worked by hand, from every library and kind of file."""

import datetime as dt

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest

from mooring.data import Dataset, from_table
from mooring.errors import BadInput

# stay 1: hours 0, 1, 2, discharged at 2; stay 2: hours 0, 1, 3, not discharged, so that its last row is left out
LOG = {
    "stay": [2, 1, 1, 2, 1, 2],
    "hour": [0, 1, 0, 3, 2, 1],
    "hr": [70.0, 81.0, 80.0, 73.0, 82.0, 71.0],
    "na_lab": [1.0, 2.0, 3.0, 4.0, 5.0, 6.0],
    "k_lab": [10, 20, 30, 40, 50, 60],
    "ward": ["icu", "er", "icu", "icu", "er", "er"],
    "sex": [True, False, False, True, False, True],
    "dose": [0.5, 1.5, 0.0, 2.0, 1.0, 0.25],
    "drug": [0, 1, 2, 0, 1, 2],
    "gain": [1.0, 2.0, 3.0, 4.0, 5.0, 6.0],
    "discharged": [0, 0, 0, 0, 1, 0],
}
ROLES = {
    "episode": "stay",
    "time": "hour",
    "obs": "hr,*_lab",
    "action": "dose",
    "reward": "gain",
    "terminated": "discharged",
}


def imported(table=None, **changes) -> Dataset:
    return from_table(LOG if table is None else table, **(ROLES | changes))


def check_log(data: Dataset) -> None:
    """The five rows of LOG that are kept, in order."""
    np.testing.assert_array_equal(data.obs, [[80, 3, 30], [81, 2, 20], [82, 5, 50], [70, 1, 10], [71, 6, 60]])
    np.testing.assert_array_equal(data.next_obs, [[81, 2, 20], [82, 5, 50], [82, 5, 50], [71, 6, 60], [73, 4, 40]])
    assert data.action[:, 0].tolist() == [0.0, 1.5, 1.0, 0.5, 0.25]
    assert data.reward.tolist() == [3, 2, 5, 1, 6]
    assert data.continues.tolist() == [1, 1, 0, 1, 1]
    assert data.last.tolist() == [False, False, True, False, True]
    assert data.labels == {"obs": ("hr", "na_lab", "k_lab"), "action": ("dose",)}
    assert (float(data.action_space.low[0]), float(data.action_space.high[0])) == (0.0, 1.5)


@pytest.mark.parametrize("library", [dict, pd.DataFrame, pl.DataFrame, pa.table])
def test_every_library(library):
    check_log(imported(library(LOG)))


def write(table: pa.Table, path) -> str:
    if path.suffix == ".parquet":
        pyarrow.parquet.write_table(table, path)
    else:
        pa.csv.write_csv(table, path, pa.csv.WriteOptions(delimiter="," if path.suffix == ".csv" else "\t"))
    return str(path)


@pytest.mark.parametrize("ending", [".csv", ".tsv", ".parquet"])
def test_files_one_or_several_and_by_pattern(tmp_path, ending):
    table = pa.table(LOG)
    whole = imported(write(table, tmp_path / f"whole{ending}"))
    check_log(whole)
    assert whole.name == "whole"
    parts = [write(table.slice(start, 2), tmp_path / f"part{start}{ending}") for start in (0, 2, 4)]
    check_log(imported(parts))
    check_log(imported(tmp_path / f"part*{ending}"))
    check_log(imported([parts[0], str(tmp_path / f"part[24]{ending}")]))


def test_files_whose_types_differ_but_fit(tmp_path):
    write(pa.table(LOG).slice(0, 3), tmp_path / "a.parquet")
    later = pd.DataFrame(LOG).iloc[3:].astype({"k_lab": "float64", "discharged": "bool"})
    with pytest.raises(BadInput, match=r"b.parquet: column discharged holds bool, and .*a.parquet has int64"):
        imported([tmp_path / "a.parquet", write(pa.table(later), tmp_path / "b.parquet")])
    check_log(
        imported([tmp_path / "a.parquet", write(pa.table(later.astype({"discharged": int})), tmp_path / "c.parquet")])
    )


def test_a_csv_column_whose_first_megabytes_look_otherwise(tmp_path):
    rows = 200_000
    table = {"x": ["1"] * (rows - 1) + ["2.5"], "a": ["0.5"] * (rows - 1) + ["1"], "r": ["0"] * rows}
    pd.DataFrame(table).to_csv(tmp_path / "log.csv", index=False)
    data = from_table(tmp_path / "log.csv", obs="x", action="a", reward="r", terminated=True)
    assert data.obs[-1].tolist() == [2.5]


@pytest.mark.parametrize("seed", range(3))
def test_shuffling_rows_changes_nothing(seed):
    frame = pd.DataFrame(LOG | {"hr": [None, 81.0, None, 73.0, 82.0, 71.0]})
    choices = {
        "obs": "hr,ward,sex",
        "action": "drug,ward",
        "action_type": "categories",
        "missing": "hr=indicator+forward+mean",
        "step": 1,
        "discount": 0.9,
        "extra": "k_lab",
    }
    shuffled = frame.sample(frac=1, random_state=seed)
    assert imported(shuffled, **choices).fingerprint() == imported(frame, **choices).fingerprint()


def test_without_episode_and_time_rows_are_taken_as_they_come():
    table = {"x": [0, 1, 2, 3, 4], "a": [0.0, 1, 0, 1, 0], "r": [1] * 5, "end": [0, 1, 0, 0, 0], "cut": [0, 0, 0, 1, 0]}
    data = from_table(table, obs="x", action="a", reward="r", terminated="end", truncated="cut")
    assert data.obs[:, 0].tolist() == [0, 1, 2]
    assert data.next_obs[:, 0].tolist() == [1, 1, 3]
    assert data.last.tolist() == [False, True, True]


def test_how_all_episodes_end():
    assert imported(terminated=True).continues.tolist() == [1, 1, 0, 1, 1, 0]
    assert imported(terminated=False).continues.tolist() == [1] * 4


def test_a_pattern_passes_over_what_is_named_outright():
    labels = imported(obs="*", categorical="sex").labels["obs"]
    taken = {"stay", "hour", "dose", "gain", "discharged"}
    assert [label for label in labels if label in taken] == []
    assert labels[:3] == ("hr", "na_lab", "k_lab")
    assert labels[3:] == ("ward=er", "ward=icu", "sex=False", "sex=True", "drug")
    assert imported(obs="hour,hr").labels["obs"] == ("hour", "hr")  # outright in two roles is what was asked for


def test_text_booleans_and_categorical_numbers():
    data = imported(obs=["ward", "sex", "k_lab"], categorical="k_lab", missing={"ward": "zero"})
    assert data.labels["obs"] == ("ward=er", "ward=icu", "sex", *(f"k_lab={k}" for k in range(10, 70, 10)))
    np.testing.assert_array_equal(data.obs[0], [0, 1, 0, 0, 0, 1, 0, 0, 0])
    frame = pd.DataFrame(LOG)
    frame["ward"] = pd.Categorical(frame["ward"], categories=["er", "icu", "never"])
    np.testing.assert_array_equal(imported(frame, obs="ward").obs, imported(obs="ward").obs)
    polar = pl.DataFrame(LOG).with_columns(pl.col("ward").cast(pl.Categorical))
    np.testing.assert_array_equal(imported(polar, obs="ward").obs, imported(obs="ward").obs)


HOURS = {
    "integers": [0, 1, 3],
    "floats": [0.0, 1.0, 3.0],
    "datetimes": [dt.datetime(2110, 1, 1, hour) for hour in (0, 1, 3)],
    "with a zone": [dt.datetime(2110, 1, 1, hour, tzinfo=dt.UTC) for hour in (0, 1, 3)],
    "text": ["2110-01-01 00:00:00", "2110-01-01T01:00:00", "2110-01-01 03:00:00.000"],
    "text with zones": ["2110-01-01T00:00:00Z", "2110-01-01T02:00:00+01:00", "2110-01-01T03:00:00Z"],
    "durations": [dt.timedelta(hours=hour) for hour in (0, 1, 3)],
}


@pytest.mark.parametrize("times", HOURS.values(), ids=HOURS)
def test_irregular_time_discounts_each_row_by_its_length(times):
    table = {"t": times[::-1], "x": [2.0, 1.0, 0.0], "a": [0.0, 1.0, 0.5], "r": [1, 1, 1], "e": [7, 7, 7]}
    step = 1 if isinstance(times[0], int | float) else "1h"
    known = {"obs": "x", "action": "a", "reward": "r", "terminated": False, "episode": "e", "time": "t"}
    data = from_table(table, **known, step=step, discount=0.5)
    assert data.obs[:, 0].tolist() == [0, 1]
    assert data.continues.tolist() == [1.0, 0.5]  # after 2 hours: 0.5 * continues is 0.5^2
    assert data.extra["steps"].tolist() == [1, 2]
    half = from_table(table, **known, step=0.5 if step == 1 else "30min", discount=0.5)
    assert half.continues.tolist() == [0.5, 0.125]
    with pytest.raises(BadInput, match=r"row 2 .e 7.: 0.5 steps .*1 rows are nearer.*at most 0.5 times"):
        from_table(table, **known, step=2 if step == 1 else "2h", discount=0.5)


def test_a_terminated_row_has_no_future_however_long_and_a_long_wait_is_no_end():
    data = imported(step=1, discount=0.5)
    assert data.continues.tolist() == [1, 1, 0, 1, 0.5]
    far = imported(LOG | {"hour": [0, 1, 0, 10**6, 2, 1]}, step=1, discount=0.9)
    assert far.continues[-1] > 0
    assert far.continues[2] == 0


def test_times_tell_the_order_to_the_nanosecond():
    table = {
        "t": np.array([2**60 + 1, 2**60], "datetime64[ns]"),
        "x": [1, 0],
        "a": [1.0, 0.0],
        "r": [0, 0],
        "e": [1, 1],
    }
    data = from_table(table, obs="x", action="a", reward="r", terminated=True, episode="e", time="t")
    assert data.obs[:, 0].tolist() == [0, 1]


def test_several_rewards_add_up():
    assert imported(reward="gain,k_lab").reward.tolist() == [33, 22, 55, 11, 66]


def test_the_reward_at_the_end_goes_to_the_last_kept_row():
    table = LOG | {"gain": [None, None, None, 4.0, 5.0, None]}
    assert imported(table, reward_at="end").reward.tolist() == [0, 0, 5, 0, 4]
    with pytest.raises(BadInput, match=r"row 3 .stay 2.: column gain is missing"):
        imported(LOG | {"gain": [None] * 3 + [None, 5.0, None]}, reward_at="end")


def test_an_episode_of_one_row_that_did_not_terminate_vanishes():
    table = {"e": [1, 1, 2], "t": [0, 1, 0], "x": [1, 2, 3], "a": [0.0, 1, 0], "r": [1, 2, 3], "d": [0, 1, 0]}
    data = from_table(table, obs="x", action="a", reward="r", terminated="d", episode="e", time="t", reward_at="end")
    assert data.reward.tolist() == [0, 2]


def test_further_columns():
    data = imported(
        action="drug",
        behavior_prob="dose",
        extra="k_lab,ward",
        missing={"ward": "forward"},
        obs="hr",
        table=LOG | {"dose": [0.5, 0.25, 1.0, None, 0.125, 0.5]},
    )
    np.testing.assert_allclose(data.extra["action_log_prob"], np.log([1, 0.25, 0.125, 0.5, 0.5]), rtol=1e-6)
    assert data.extra["k_lab"].tolist() == [30, 20, 50, 10, 60]
    with pytest.raises(
        BadInput, match=r"row 3 .stay 2.: column dose is 2 .*at most 1|row 1 .stay 1.: column dose is 1.5 .*at most 1"
    ):
        imported(action="drug", behavior_prob="dose", missing="dose=zero", table=LOG | {"dose": [0.5, 1.5, 1, 1, 1, 1]})
    assert imported(obs="hr", behavior_prob="na_lab").extra["action_log_prob"].max() > 0  # a density


def test_a_mask_tells_how_many_actions_there_are():
    masks = {"may_0": [1] * 6, "may_1": [1] * 6, "may_2": [1, 0, 1, 1, 1, 1], "may_3": [False] * 6}
    data = imported(LOG | masks, action="drug", mask="may_*")
    assert data.action_space.n == 4
    assert data.extra["action_mask"].tolist()[1] == [True, True, False, False]
    with pytest.raises(BadInput, match=r"row 5 .stay 2.: action 2 was taken where may_2 is 0 \(1 such rows\)"):
        imported(LOG | masks | {"may_2": [1, 1, 1, 1, 1, 0]}, action="drug", mask="may_*")
    with pytest.raises(BadInput, match=r"has 2 columns .* for 3 actions"):
        imported(LOG | masks, action="drug", mask="may_0,may_1")
    with pytest.raises(BadInput, match="actions are continuous"):
        imported(LOG | masks, mask="may_*")


def test_what_was_decided_is_said():
    said = []
    imported(
        obs="hr,ward", action="ward", missing="hr=mean", say=said.append, table=LOG | {"hr": [None, *LOG["hr"][1:]]}
    )
    assert said == [
        "hr: filled 1 missing values by mean",
        "6 rows, 2 episodes of which 1 terminated",
        "left out 1 last rows: nothing tells what followed them",
        "rows lie 1 to 2 apart, and each is one step: step and discount would tell them apart",
        "2 discrete actions: 0 is er, 1 is icu",
    ]


def test_what_build_takes_passes_through():
    data = imported(name="wards", env="Mine-v0", horizon=50, score_range=(0.0, 1.0))
    assert (data.name, data.env, data.horizon, data.score_range) == ("wards", "Mine-v0", 50, (0.0, 1.0))
