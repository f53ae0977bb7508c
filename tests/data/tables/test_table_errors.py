"""Every wrong thing in a table is one clear line that names the file, the column and the row."""

import datetime as dt
import sys

import pandas as pd
import pyarrow as pa
import pytest

from mooring.data import from_table
from mooring.errors import BadInput

LOG = {
    "stay": [1, 1, 2, 2],
    "hour": [0, 1, 0, 1],
    "hr": [70.0, 71.0, 72.0, 73.0],
    "bp": [1.0, 2.0, 3.0, 4.0],
    "dose": [0.0, 1.0, 0.5, 0.25],
    "gain": [0.0, 1.0, 0.0, 1.0],
    "done": [0, 1, 0, 1],
}
ROLES = {"episode": "stay", "time": "hour", "obs": "hr,bp", "action": "dose", "reward": "gain", "terminated": "done"}


@pytest.mark.parametrize(
    ("columns", "roles", "message"),
    [
        ({}, {"obs": "hr,pb"}, r"^table: column 'pb': does not exist; did you mean bp\?$"),
        ({}, {"reward": "gian"}, r"did you mean gain\?"),
        ({}, {"episode": "sty"}, r"did you mean stay\?"),
        ({}, {"obs": "*_lab"}, r"no column matches '\*_lab'; known: stay, hour"),
        ({}, {"obs": ""}, "no column is named for obs"),
        ({}, {"categorical": "gain"}, "column 'gain': does not exist"),
        ({}, {"actoin": "dose"}, r"did you mean action or"),
        ({}, {"reward_at": "ends"}, r"did you mean end\?"),
        ({}, {"step": 1}, "discount is not given; expected time, step and discount"),
        ({}, {"step": "1h", "discount": 0.9}, "step '1h': column hour holds numbers; give a plain number"),
        ({}, {"step": "1y", "discount": 0.9}, "step '1y': is no length of time; expected .*min"),
        ({}, {"step": 1, "discount": 1.5}, "discount: 1.5; expected above 0 and at most 1"),
        (
            {"hour": [0, 0, 0, 1]},
            {},
            "row 1 .stay 1.: column hour has the same value as in table, row 0 .stay 1., in one",
        ),
        ({"hour": [0, None, 0, 1]}, {}, "^table, row 1: column hour is missing; expected a time in every row"),
        ({"hour": [0, float("nan"), 0, 1]}, {}, "^table, row 1: column hour is NaN; expected a time in every row"),
        ({"stay": [1, None, 2, 2]}, {}, "^table, row 1: column stay is missing; expected the episode"),
        (
            {"done": [1, 1, 0, 1]},
            {},
            "row 0 .stay 1.: column done says that .* terminated, but later rows follow .1 such",
        ),
        ({"done": [0, 2, 0, 1]}, {}, "^table, row 1: column done is 2; expected 0 or 1"),
        ({"done": ["no", "yes"] * 2}, {}, "column done holds string; expected numbers"),
        ({"hr": [1.0, float("inf"), 0, 0]}, {}, "^table, row 1: column hr is inf .1 such rows.; expected a number"),
        ({"hr": [1.0, 1e39, 0, 0]}, {}, "^table, row 1: column hr is 1e.39"),
        ({"hr": ["70", "n/k", "72", "73"]}, {}, "^table, row 1: column hr is 'n/k', while other rows hold numbers"),
        (
            {"hr": ["70", "71", "72", "73"]},
            {},
            "column hr holds numbers written as text; .* say that hr is categorical",
        ),
        ({"hr": [dt.date(2026, 1, 1)] * 4}, {}, "column hr holds date32.* expected numbers"),
        ({"hr": [[1.0]] * 4}, {}, "column hr holds list"),
        ({"stay": [[1]] * 4}, {}, "column stay holds list.*; expected numbers or text"),
        ({"gain": ["a"] * 4}, {}, "column gain holds string; expected numbers"),
        (
            {"hour": ["2026-01-01", "late"] * 2},
            {},
            "^table, row 1: column hour is 'late'; expected a number or an ISO 8601",
        ),
        ({"hour": ["2026-01-01T00:00Z", "2026-01-01T01:00"] * 2}, {}, "gives a time zone in some rows"),
        ({"dose": [0.5] * 3}, {}, "^table: can not be read .*length"),
        ({"done": [0] * 4, "stay": [1, 2, 3, 4]}, {}, "no row has a next observation"),
        (
            {},
            {"behavior_prob": "gain"},
            "row 0 .stay 1.: column gain is 0 .2 such rows.; expected a probability above 0",
        ),
    ],
)
def test_one_line_for_each(columns, roles, message):
    with pytest.raises(BadInput, match=message):
        from_table(LOG | columns, **(ROLES | roles))


def test_too_many_texts_are_an_identifier():
    log = {"x": [f"patient {i}" for i in range(300)], "a": [0.0, 1.0] * 150, "r": [0.0] * 300}
    with pytest.raises(BadInput, match=r"column x has 300 different values; expected at most 256 .* identifier"):
        from_table(log, obs="x", action="a", reward="r", terminated=True)


@pytest.mark.parametrize("table", [3, [1, 2], [], None, "none.csv", ["none.parquet"]])
def test_what_is_no_table(table):
    with pytest.raises(BadInput, match=r"is of type|no such file"):
        from_table(table, **ROLES)


def test_files_that_are_no_tables(tmp_path):
    for name, content, message in [
        ("log.txt", b"a,b", "its format '.txt' is not a table's; expected .csv, .tsv, .parquet"),
        ("log.parquet", b"nothing", "log.parquet: can not be read"),
        ("empty.csv", b"", "empty.csv: can not be read .Empty CSV file"),
        ("ragged.csv", b"stay,hour\n1,2\n3\n", r"ragged.csv: can not be read .*Row #3: Expected 2 columns, got 1"),
        ("twice.csv", b"hr,hr\n1,2\n", "twice.csv: has several columns named 'hr'"),
        ("header.csv", b"x,a,r\n", "header.csv: no rows"),
    ]:
        (tmp_path / name).write_bytes(content)
        roles = (
            ROLES
            if name != "ragged.csv"
            else ROLES | {"obs": "hour", "action": "hour", "reward": "hour", "terminated": True}
        )
        if name == "header.csv":
            roles = {"obs": "x", "action": "a", "reward": "r", "terminated": True}
        with pytest.raises(BadInput, match=message):
            from_table(tmp_path / name, **roles)


def test_rows_and_columns_of_the_file_that_is_wrong(tmp_path):
    frame = pd.DataFrame(LOG)
    frame.iloc[:2].to_csv(tmp_path / "a.csv", index=False)
    frame.iloc[2:].assign(hr=[72.0, None]).to_csv(tmp_path / "b.csv", index=False)
    with pytest.raises(BadInput, match=r"b.csv, row 1 .stay 2.: column hr is missing"):
        from_table(tmp_path / "[ab].csv", **ROLES)
    frame.drop(columns="bp").to_csv(tmp_path / "c.csv", index=False)
    with pytest.raises(BadInput, match=r"c.csv: lacks column bp, which .*a.csv has"):
        from_table([tmp_path / "a.csv", tmp_path / "c.csv"], **ROLES)
    pa.csv.write_csv(pa.table(LOG), tmp_path / "d.csv")
    with pytest.raises(BadInput, match=r"c.csv, row 0 .*: column hour has the same value as in .*a.csv, row 0"):
        from_table([tmp_path / "a.csv", tmp_path / "c.csv"], **(ROLES | {"obs": "hr"}))


def test_without_pyarrow_it_is_said_what_to_install(tmp_path, monkeypatch):
    (tmp_path / "log.csv").write_text("x\n1\n")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    for table in (LOG, tmp_path / "log.csv"):
        with pytest.raises(BadInput, match=r"needs the package pyarrow; pip install 'mooring\[table\]'"):
            from_table(table, **ROLES)
