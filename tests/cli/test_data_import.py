"""`mooring data import`, from a file of rows to a data set that `load` reads."""

import numpy as np
import pytest

from mooring.data import load

CSV = """stay_id,charttime,hr,bp,na_lab,dose,outcome,discharged
7,2110-01-01 02:00:00,82,120,140,0.5,1,1
3,2110-05-01 00:00:00,70,,135,0,0,0
7,2110-01-01 00:00:00,80,118,139,1,0,0
3,2110-05-01 06:00:00,72,110,136,0.25,0,0
7,2110-01-01 01:00:00,81,119,,2,0,0
3,2110-05-01 01:00:00,71,109,137,1,0,0
"""
COLUMNS = [
    "--episode",
    "stay_id",
    "--time",
    "charttime",
    "--obs",
    "hr,bp,*_lab",
    "--action",
    "dose",
    "--reward",
    "outcome",
]


@pytest.fixture
def log(tmp_path):
    (tmp_path / "log.csv").write_text(CSV)
    return "log.csv"


def test_a_log_becomes_a_data_set(mooring, log):
    choices = ["--missing", "forward,bp=mean", "--step", "1h", "--discount", "0.5", "--bounds", "0,4"]
    done = mooring("data", "import", log, *COLUMNS, "--done", "discharged", *choices, "-o", "out.npz")
    assert done.code == 0, done.err
    assert done.out.splitlines() == [
        "bp: filled 1 missing values by mean",
        "na_lab: filled 1 missing values by forward",
        "6 rows, 2 episodes of which 1 terminated",
        "left out 1 last rows: nothing tells what followed them",
        "continuous actions: dose from 0 to 4 (as given)",
        "Saved out.npz: 2 episodes, 5 rows. `mooring data show out.npz` describes them.",
    ]
    data = load("out.npz")
    np.testing.assert_allclose(data.obs[:, 1], [115.2, 109, 118, 119, 120], rtol=1e-6)
    np.testing.assert_array_equal(data.obs[:, 2], [135, 137, 139, 139, 140])
    np.testing.assert_allclose(data.continues, [1, 0.5**4, 1, 1, 0])
    assert data.name == "log"
    assert data.labels["obs"] == ("hr", "bp", "na_lab")
    assert "hr, bp, na_lab" in mooring("data", "show", "out.npz").out


def test_choices_of_the_command_line(mooring, log):
    words = ["--missing", "zero", "-o", "out.npz", "--name", "wards", "--force"]
    each = ["--bounds", "dose=0,3"]
    assert mooring("data", "import", log, *COLUMNS, "--ends", "terminated", "--categories", *words).code == 0
    data = load("out.npz")
    assert (data.name, data.action_space.n, data.num_episodes, len(data)) == ("wards", 5, 2, 6)
    assert mooring("data", "import", log, *COLUMNS, "--ends", "cut", "--reward-at", "end", *each, *words).code == 0
    assert load("out.npz").reward.tolist() == [0, 0, 0, 1]
    assert load("out.npz").action_space.high.tolist() == [3]
    kept = mooring("data", "import", log, *COLUMNS, "--ends", "cut", *words[:-1])
    assert "out.npz: is there already" in kept.err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([*COLUMNS, "--done", "discharged"], "log.csv, row 1 (stay_id 3): column bp is missing (1 such rows)"),
        ([*COLUMNS, "--done", "discarged"], "log.csv: column 'discarged': does not exist; did you mean discharged?"),
        (COLUMNS, "one of the arguments --done --ends is required"),
        ([*COLUMNS, "--done", "discharged", "--bounds", "low,high"], "--bounds low,high: is not two numbers"),
        ([*COLUMNS, "--done", "discharged", "--mising", "zero"], "did you mean --missing"),
        ([*COLUMNS, "--done", "discharged", "--out", "x.xyz"], "x.xyz: "),
    ],
)
def test_one_line_for_what_is_wrong(mooring, log, words, message):
    failed = mooring("data", "import", log, "-o", "out.npz", *words)
    assert failed.code == 2
    assert message in failed.err
    assert len(failed.err.splitlines()) == 1
