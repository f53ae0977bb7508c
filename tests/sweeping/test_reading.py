"""A sweep's file: which programs it means, and each mistake in one line that names the place."""

import tomllib

import pytest

from mooring.errors import BadInput
from mooring.sweeping.reading import programs, read

FILE = """
data = ["hopper-medium-v2", "quickstart"]
seeds = [3, 5]
steps = 1_000
evaluate_every = "none"
recipe = false

[td3-bc]
alpha = [1.0, 2.5]
standardize = true
hidden = [[64], [256, 256]]
seeds = 3

[iql]
data = "quickstart"
expectile = 0.9
hidden = [32, 32]
standardize = false
pack = 4
"""
COMMON = ("--steps=1000", "--evaluate-every=none", "--no-recipe")


def found(text):
    return programs(tomllib.loads(text), "sweep.toml")


def test_lists_of_floats_are_axes_and_other_lists_are_programs():
    got = found(FILE)
    assert [(each.algorithm, each.data, each.size) for each in got] == [
        ("td3-bc", "hopper-medium-v2", 6),
        ("td3-bc", "hopper-medium-v2", 6),
        ("td3-bc", "quickstart", 6),
        ("td3-bc", "quickstart", 6),
        ("iql", "quickstart", 2),
    ]
    assert got[0].axes == {"seeds": ["0", "1", "2"], "alpha": ["1.0", "2.5"]}
    assert got[0].words == (*COMMON, "--standardize", "--hidden=64")
    assert got[1].words == (*COMMON, "--standardize", "--hidden=256,256")
    assert got[4].axes == {"seeds": ["3", "5"]}
    assert got[4].words == (*COMMON, "--expectile=0.9", "--hidden=32,32", "--no-standardize")
    assert (got[0].pack, got[4].pack) == (16, 4)


def test_seeds_are_one_where_nothing_is_said_and_small_floats_keep_their_digits():
    (got,) = found('data = "quickstart"\n[iql]\nlearning_rate = [1.23456789e-5, 3e-4]')
    assert got.axes == {"seeds": ["0"], "learning_rate": ["1.23456789e-05", "0.0003"]}


WRONG = [
    ('data = "quickstart"', "sweep.toml: names no algorithm; expected a table for each, as [iql]"),
    ("[iql]", 'sweep.toml, [iql] data: there is none; expected data sets, as ["hopper-medium-v2"], each once'),
    ('data = ["a", "a"]\n[iql]', "sweep.toml, [iql] data: found ['a', 'a']; expected data sets"),
    ('dat = "quickstart"\n[iql]', "sweep.toml, option 'dat': does not exist; did you mean data"),
    ('data = "quickstart"\nfolder = "x"\n[iql]', "sweep.toml, option 'folder': does not exist"),
    ('data = "quickstart"\n[iqll]', "sweep.toml, [iqll]: algorithm 'iqll': does not exist; did you mean iql"),
    ('data = "quickstart"\n[iql]\nexpectil = 1', "sweep.toml, [iql], setting 'expectil': does not exist; did you mean"),
    (
        'data = "quickstart"\n[iql]\nexpectile = [0.5, 2]',
        "sweep.toml, [iql] expectile: found '2'; expected a number in",
    ),
    ('data = "quickstart"\n[iql]\nexpectile = []', "sweep.toml, [iql] expectile: found []; expected one value or more"),
    ('data = "quickstart"\n[iql]\nexpectile = [1, 1.0]', "sweep.toml, [iql] expectile: found [1, 1.0]; expected one"),
    ('data = "quickstart"\n[iql]\nhidden = [8, "x"]', "sweep.toml, [iql] hidden: found 'x'; expected widths"),
    ('data = "quickstart"\nsteps = [1, 2]\n[iql]', "sweep.toml, [iql] steps: found [1, 2]; expected one value"),
    (
        'data = "quickstart"\nsteps = 0\n[iql]',
        "sweep.toml, [iql] steps: found '0'; expected a whole number of at least",
    ),
    (
        'data = "quickstart"\npack = 0\n[iql]',
        "sweep.toml, [iql] pack: found '0'; expected a whole number of at least 1",
    ),
    ('data = "quickstart"\nseeds = 0\n[iql]', "sweep.toml, [iql] seeds: found 0; expected how many, as 4, or which"),
    ('data = "quickstart"\nseeds = [1, 1]\n[iql]', "sweep.toml, [iql] seeds: found [1, 1]; expected how many"),
    ('data = "quickstart"\nseeds = true\n[iql]', "sweep.toml, [iql] seeds: found True; expected how many"),
]


@pytest.mark.parametrize(("text", "said"), WRONG, ids=[said for _, said in WRONG])
def test_mistakes(text, said):
    with pytest.raises(BadInput) as caught:
        found(text)
    assert str(caught.value).startswith(said)


def test_files_that_are_none(tmp_path):
    with pytest.raises(BadInput, match=r"absent\.toml: no such file"):
        read(tmp_path / "absent.toml")
    (tmp_path / "broken.toml").write_text("data = [1")
    with pytest.raises(BadInput, match=r"broken\.toml: is not TOML: "):
        read(tmp_path / "broken.toml")
