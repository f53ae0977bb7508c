"""DMSD's recipe, on a file made in NeoRL-2's form, and the real files where they are."""

import numpy as np
import pytest

import mooring
from mooring.algorithms.imitation.bc import DeterministicBC
from mooring.data import Dataset, save

STEPS, EPISODES = 100, 3


@pytest.fixture
def files(tmp_path):
    """A training and a validation file whose actions are the first two observations."""
    made = [tmp_path / "train.npz", tmp_path / "val.npz"]
    for seed, file in enumerate(made):
        draw = np.random.default_rng(seed)
        obs, next_obs = draw.uniform(-1, 1, (2, EPISODES * STEPS, 6))
        truncated = np.tile(np.arange(STEPS) == STEPS - 1, EPISODES)
        columns = {"obs": obs, "next_obs": next_obs, "action": obs[:, :2], "reward": obs[:, 2]}
        data = Dataset.build(**columns, terminated=np.zeros(len(obs), bool), truncated=truncated)
        save(data, file, format="neorl")
    return [str(file) for file in made]


def test_the_recipe_measures_how_far_policies_depart_from_the_log(example, files, capsys):
    departures = example("dmsd.py:main")(*files, updates=30, learners=[DeterministicBC])
    assert list(departures) == ["bc-deterministic"]
    assert departures["bc-deterministic"] < 0.5  # the mean size of the log's actions: what no action departs by
    assert f"{EPISODES} episodes" in capsys.readouterr().out


@pytest.mark.parametrize(("part", "episodes"), [("100000-train", 1000), ("20000-val", 200)])
def test_the_real_files_hold_whole_episodes(real_data, part, episodes):
    file = real_data / "neorl2" / f"DMSD-high-{part}.npz"
    if not file.exists():
        pytest.skip(f"needs {file.name} in MOORING_TEST_DATA's neorl2/")
    data = mooring.load(file)
    assert data.num_episodes == episodes
    assert set(data.lengths) == {100}
    assert mooring.audit(data).verdict == "pass"
