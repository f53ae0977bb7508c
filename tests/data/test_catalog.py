"""D4RL's names, reference returns and the map to scores."""

import subprocess
import sys

import numpy as np
import pytest

from mooring.data import catalog
from mooring.errors import BadInput


def test_entries():
    hopper = catalog.find("hopper-medium-v2")
    assert hopper.env == "Hopper-v5"
    assert hopper.score_range == (-20.272305, 3234.3)
    assert hopper.max_episode_steps == 1000
    assert "D4RL" in hopper.source
    assert catalog.find("antmaze-umaze-v2").env is None
    assert catalog.find("pen-human-v1").max_episode_steps == 100
    assert hopper.file == "hopper_medium-v2.hdf5"
    assert (hopper.family, hopper.bytes, hopper.license) == ("D4RL", 152756557, "CC BY 4.0")


def test_every_family_is_there_and_every_fact_has_its_form():
    entries = catalog.entries().values()
    counts = {family: sum(e.family == family for e in entries) for family in {e.family for e in entries}}
    assert counts == {"D4RL": 161, "Minari": 58, "OGBench": 2 * 85, "NeoRL-2": 2 * 8}
    for entry in entries:
        assert all(":" in source or "a file with" in source for source in entry.source.split("; ")), entry
        assert bool(entry.url) != entry.name.startswith("minari:")
        algorithm, _, digits = (entry.checksum or "").partition(":")
        assert not entry.checksum or len(digits) == {"sha256": 64, "md5": 32}[algorithm]
        assert not entry.checksum or int(digits, 16)
    assert len({entry.url for entry in entries if entry.url}) == sum(bool(entry.url) for entry in entries)


def test_other_families():
    dmsd = catalog.find("DMSD-train")
    assert (dmsd.env, dmsd.score_range, dmsd.max_episode_steps) == ("neorl2:DMSD", (30.6, 849.51), 100)
    giant = catalog.find("humanoidmaze-giant-navigate-v0")
    assert (giant.env, giant.rows, giant.max_episode_steps) == ("ogbench:humanoidmaze-giant-v0", 4_000_000, 4000)
    assert catalog.find("minari:D4RL/pen/human-v2").file is None


def test_unknown_names_get_near_ones():
    with pytest.raises(BadInput, match="did you mean hopper-medium-v2"):
        catalog.find("hoper-medium-v2")


def test_files_are_known_by_both_names():
    assert (
        catalog.of_file("hopper-medium-v2") is catalog.of_file("hopper_medium-v2") is catalog.find("hopper-medium-v2")
    )
    assert catalog.of_file("hopper_mixed").name == "hopper-medium-replay-v0"
    assert catalog.of_file("DMSD-train").name == "DMSD-train"
    assert catalog.of_file("mine") is None


def test_score_range_of_an_environment_does_not_depend_on_its_version():
    assert catalog.score_range_of_env("Hopper-v4") == catalog.score_range_of_env("Hopper-v5") == (-20.272305, 3234.3)
    assert catalog.score_range_of_env("Walker2d-v5") == (1.629008, 4592.3)
    assert catalog.score_range_of_env("CartPole-v1") is catalog.score_range_of_env("CartPole") is None
    assert catalog.score_range_of_env("neorl2:DMSD") == (30.6, 849.51)


def test_scores():
    assert catalog.normalized(150.0, (100.0, 300.0)) == 25
    np.testing.assert_allclose(catalog.normalized(np.array([100.0, 300.0, 400.0]), (100.0, 300.0)), [0, 100, 150])
    with pytest.raises(BadInput, match="two different returns"):
        catalog.normalized(1.0, (2.0, 2.0))


def test_a_standard_deviation_is_scaled_and_not_shifted():
    returns, score_range = np.array([120.0, 180.0, 240.0]), (100.0, 300.0)
    of_scores = catalog.normalized(returns, score_range).std()
    assert catalog.normalized_std(float(returns.std()), score_range) == pytest.approx(of_scores)
    assert catalog.normalized_std(0.0, score_range) == 0
    assert catalog.normalized(float(returns.std()), score_range) != pytest.approx(of_scores)


def test_listing_does_not_import_jax():
    program = "import sys; from mooring.data import catalog; catalog.entries(); sys.exit('jax' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
