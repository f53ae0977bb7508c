"""Rows as text and as Parquet: names of columns, whole numbers, ends of episodes, and odd cells."""

import json
import sys

import numpy as np
import pytest

from mooring.data import Dataset, load
from mooring.data.formats import csv, jsonl, parquet
from mooring.data.formats.flat import flattened
from mooring.data.spaces import Bounds, Discrete
from mooring.errors import BadInput
from samples import ROWS, sample

CSV = "episode,obs_0,obs_1,action,reward,terminated\n0,0.5,1,0,1,0\n0,1.5,2,1,1,1\n1,2.5,3,0,0.5,0\n1,3.5,4,1,1,0\n"


@pytest.fixture
def written(tmp_path):
    def write(content: str, name: str = "mine.csv"):
        (tmp_path / name).write_text(content)
        return tmp_path / name

    return write


def test_names_of_columns():
    assert list(flattened(sample("extra"))) == [
        *("episode", "obs_0", "obs_1", "obs_2", "action_0", "action_1", "reward", "next_obs_0", "next_obs_1"),
        *("next_obs_2", "terminated", "truncated", "action_log_prob", "whole", "tag", "flag", "pair[0]", "pair[1]"),
    ]
    assert {"obs/goal_0", "obs/goal_1", "obs/room", "next_obs/room"} < {*flattened(sample("dict"))}
    assert {"obs_heart rate", "obs_dose", "action_left", "next_obs_age"} < {*flattened(sample("described"))}
    assert {"obs", "next_obs"} < {*flattened(sample("integers"))}


def test_a_table_of_ones_own(written):
    data = load(written(CSV))
    assert data.obs.tolist() == [[0.5, 1], [1.5, 2], [2.5, 3]]  # nothing tells what followed the last row
    assert data.action_space == Discrete(2)
    assert data.continues.tolist() == [1, 0, 1]
    assert data.last.tolist() == [False, True, True]


def test_done_and_truncated_and_episodes_together(written):
    content = "episode,obs_0,action,reward,done,truncated\n0,1,0,1,1,1\n1,2,0,1,1,0\n2,3,0,1,0,0\n3,4,1,1,1,0\n"
    data = load(written(content))  # done marks the truncated row too: it means either end
    assert data.obs[:, 0].tolist() == [2, 4]
    assert data.continues.tolist() == [0, 0]


def test_named_entries_keep_their_names_and_order(written):
    data = load(written(CSV.replace("obs_0", "obs_pulse").replace("obs_1", "obs_age")))
    assert data.obs[0].tolist() == [0.5, 1]
    assert data.labels == {"obs": ("pulse", "age")}


def test_what_only_begins_like_an_entry_is_an_extra_column(written):
    data = load(written(CSV.replace("obs_1", "obs_quality")))
    assert data.obs.tolist() == [[0.5], [1.5], [2.5]]
    assert data.extra["obs_quality"].tolist() == [1, 2, 3]


def test_entries_are_ordered_by_number(written):
    data = load(written(CSV.replace("obs_0", "obs_x").replace("obs_1", "obs_0").replace("obs_x", "obs_1")))
    assert data.obs[0].tolist() == [1, 0.5]
    many = [f"obs_{i}" for i in range(12)]
    rows = "\n".join(",".join(map(str, [*range(12), 0, 1, 1])) for _ in range(2))
    assert load(written(",".join([*many, "action", "reward", "terminated"]) + "\n" + rows)).obs[0, 10] == 10


def test_whole_numbers_are_discrete_only_where_they_stand_alone(written):
    vector = load(written(CSV.replace("action", "action_0")))
    assert isinstance(vector.action_space, Bounds)
    points = load(written(CSV.replace(",1,0,1,0\n", ",1,0.0,1,0\n")))
    assert isinstance(points.action_space, Bounds)  # one point makes the column one of amounts


def test_an_extra_column_that_is_called_as_another(tmp_path):
    names = ("obs_0", "obs_high", "action_log_prob", "reward", "episode", "a/b", "action")
    extra = {name: np.arange(ROWS) for name in names}
    plain = sample("continuous")
    columns = {name: getattr(plain, name) for name in ("obs", "next_obs", "action", "reward")}
    data = Dataset.build(**columns, terminated=plain.continues == 0, truncated=plain.last, extra=extra)
    for name, module in (("mine.csv", csv), ("mine.parquet", parquet)):
        if module is parquet:
            pytest.importorskip("pyarrow", reason="needs the package pyarrow")
        module.write(data, tmp_path / name)
        assert load(tmp_path / name).fingerprint() == data.fingerprint()


@pytest.mark.parametrize("number", [1e-38, -3.4e38, 1 / 3, 16777217.0, 1e15, 1e-9, 123456789.0, 5.0])
def test_text_keeps_every_float(tmp_path, number):
    obs = np.full((ROWS, 1), number, np.float32)
    data = Dataset.build(obs, np.zeros((ROWS, 1)), np.ones(ROWS), np.zeros(ROWS), next_obs=obs, extra={"x": obs[:, 0]})
    for name, module in (("mine.csv", csv), ("mine.jsonl", jsonl)):
        module.write(data, tmp_path / name)
        assert load(tmp_path / name).fingerprint() == data.fingerprint()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (("0.5,1,0,1,0", "0.5,1,0,1"), "row 0 has 5 cells; expected 6, as the header"),
        (("2.5", ""), "obs_0 is '' in row 2; expected a number; mooring data import"),
        (("2.5", "high"), "obs_0 is 'high' in row 2"),
        (("2.5", "nan"), "obs holds NaN or infinity in 1 rows, first row 2"),
        (("reward", "gain"), r"lacks reward \(it holds"),
        (("obs_1", "obs_0"), "has two columns of one name"),
        (("obs_1", "obs_2"), "obs has the entries 0, 2; expected 0 to 1"),
        (("obs_0,obs_1", "obs_x,obs_5"), "obs has the entries x, 5; expected numbers from 0, or names"),
        (("obs_1", "obs"), "has both obs and obs_0"),
        (("\n0,0.5", "\n1,0.5"), "the rows of episode 1 are not together: it comes again in row 2"),
    ],
)
def test_odd_tables(written, changes, message):
    with pytest.raises(BadInput, match=rf"mine.csv: .*{message}"):
        load(written(CSV.replace(*changes)))


def test_a_table_without_rows(written):
    for content in (CSV.partition("\n")[0], CSV.partition("\n")[0] + "\n\n", "\n"):
        with pytest.raises(BadInput, match=r"mine.csv: (no rows|has no header)"):
            load(written(content))


def lines(**changes) -> list[dict]:
    """Two episodes of two steps, as a logger would write them."""
    steps = []
    for row in range(4):
        step = {"episode": row // 2, "obs": [row, row + 1], "action": row % 2, "reward": 1, "terminated": row == 1}
        steps.append(step | {name: values[row] for name, values in changes.items()})
    return steps


def joined(steps: list) -> str:
    return "\n".join(map(json.dumps, steps)) + "\n"


def test_a_log_of_ones_own(written):
    data = load(written("\n" + joined(lines(user=[7, 7, 8, 8])), "mine.jsonl"))
    assert data.obs.tolist() == [[0, 1], [1, 2], [2, 3]]
    assert data.action_space == Discrete(2)
    assert data.last.tolist() == [False, True, True]
    assert data.extra["user"].tolist() == [7, 7, 8]
    listed = load(written(joined(lines(action=[[0], [1], [1], [0]])), "mine.jsonl"))
    assert isinstance(listed.action_space, Bounds)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "no rows"),
        ('{"meta": {}}\n', "no rows"),
        ('{"meta": {"horizon": "x"}}\n', "its meta is damaged"),
        ("[1, 2]\n", "line 1 holds a list; expected one object per line"),
        (joined(lines()) + '{"obs": [1', "line 5 is not JSON"),
        (joined(lines()) + '{"obs": [1, 2]}', "line 5 lacks action, episode, reward, terminated"),
        (joined([*lines()[:1], lines()[1] | {"more": 1}]), "line 2 has also more"),
        (joined(lines(obs=[[0, 1], [1], [2, 3], [3, 4]])), r"obs is \[1\] in line 2; expected numbers, as many"),
        (joined(lines(reward=[1, None, 1, 1])), "reward is None in line 2"),
        (joined(lines(reward=[1, 1, "good", 1])), "reward is good in line 3"),
        (joined(lines(reward=[1, 1, float("nan"), 1])), "reward holds NaN or infinity in 1 rows, first row 2"),
        (joined(lines(episode=[0, 1, 0, 1])), "the rows of episode 0 are not together: it comes again in row 2"),
        (joined(lines(terminated=[0, 2, 0, 0])), "terminated is 2 in row 1; expected 0 or 1"),
        (joined(lines(truncated=[0, 2, 0, 0])), "truncated is 2 in row 1; expected 0 or 1"),
        (joined(lines(terminated=[[0, 1]] * 4)), r"terminated has shape \(4, 2\); expected one number per row"),
        (joined(lines(episode=[[0, 1]] * 4)), r"episode has shape \(4, 2\); expected one number per row"),
        ("[" * 100_000, "line 1 is not JSON"),
    ],
)
def test_odd_logs(written, content, message):
    with pytest.raises(BadInput, match=rf"mine.jsonl: .*{message}"):
        load(written(content, "mine.jsonl"))


def test_parquet_of_others(tmp_path):
    arrow = pytest.importorskip("pyarrow", reason="needs the package pyarrow")
    from pyarrow.parquet import write_table

    columns = {"obs": [[0.5, 1.0], [1.5, 2.0]], "action": [0, 1], "reward": [1.0, 2.0], "terminated": [False, True]}
    path = tmp_path / "mine.parquet"
    write_table(arrow.table(columns), path)
    data = load(path)
    assert data.obs.tolist() == [[0.5, 1], [1.5, 2]]
    assert data.action_space == Discrete(2)
    for name, values, message in [
        ("obs", [[0.5, 1.0], [1.5]], "obs holds lists of several lengths"),
        ("reward", [None, 1.0], "reward is missing in 1 rows, first row 0; expected a number; mooring data import"),
        ("reward", ["low", "high"], "reward holds string; expected numbers"),
        ("obs", [[0.5, 1.0], [1.5, None]], "obs is missing in 1 rows"),
    ]:
        write_table(arrow.table(columns | {name: values}), path)
        with pytest.raises(BadInput, match=rf"mine.parquet: {message}"):
            load(path)


def test_parquet_without_its_package(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    (tmp_path / "mine.parquet").write_bytes(b"PAR1")
    with pytest.raises(BadInput, match=r"pip install 'mooring\[table\]'"):
        load(tmp_path / "mine.parquet")
    with pytest.raises(BadInput, match=r"pip install 'mooring\[table\]'"):
        parquet.write(sample("continuous"), tmp_path / "other.parquet")
