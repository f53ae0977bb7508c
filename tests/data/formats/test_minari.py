"""Minari data sets, made here with Minari itself."""

import sys
from dataclasses import replace

import numpy as np
import pytest

from mooring.data import Discrete, load
from mooring.data.formats.minari import read
from mooring.errors import BadInput
from samples import sample

minari = pytest.importorskip("minari", reason="needs the package minari")
spaces = pytest.importorskip("gymnasium").spaces

pytestmark = [  # what Minari says of the data sets made here
    pytest.mark.filterwarnings("ignore:`.*` is set to None:UserWarning"),
    pytest.mark.filterwarnings("ignore:env_spec is None:UserWarning"),
]
ACTIONS = spaces.Box(-2, 2, (1,), np.float32)


@pytest.fixture
def make(tmp_path, monkeypatch):
    """Makes a data set of two episodes: three steps to a termination, two to a truncation."""
    from minari.data_collector import EpisodeBuffer

    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))

    def build(observations, action_space, act, **meta):
        buffers = []
        for steps, terminated in ((3, True), (2, False)):
            flags = np.arange(steps) == steps - 1
            buffers.append(
                EpisodeBuffer(
                    observations=observations(steps + 1),
                    actions=act(steps),
                    rewards=list(np.arange(steps, dtype=float)),
                    terminations=list(flags & terminated),
                    truncations=list(flags & (not terminated)),
                )
            )
        minari.create_dataset_from_buffers(
            "mine/test-v0", buffers, action_space=action_space, algorithm_name="by hand", author="mooring",
            author_email="none", code_permalink="none", **meta
        )  # fmt: skip
        return tmp_path / "mine" / "test-v0"

    return build


def vectors(rows: int) -> np.ndarray:
    return np.arange(rows, dtype=np.float32)[:, None]


def continuous(steps: int) -> np.ndarray:
    return np.full((steps, 1), 1.5, np.float32)


@pytest.mark.parametrize("by_name", [True, False])
def test_episodes_spaces_and_meta(make, by_name):
    space = spaces.Box(0, 9, (1,), np.float32)
    folder = make(vectors, ACTIONS, continuous, observation_space=space)
    data = load("minari:mine/test-v0") if by_name else load(folder)
    assert data.obs[:, 0].tolist() == [0, 1, 2, 0, 1]
    assert data.next_obs[:, 0].tolist() == [1, 2, 3, 1, 2]
    assert data.continues.tolist() == [1, 1, 0, 1, 1]
    assert data.last.tolist() == [False, False, True, False, True]
    assert data.action_space.high.tolist() == [2]
    assert data.obs_space.high.tolist() == [9]
    assert data.env is data.score_range is None
    assert data.name == "mine/test-v0"


def test_dict_observations_and_discrete_actions_that_start_at_one(make):
    space = spaces.Dict(
        {
            "goal": spaces.Box(-1, 1, (2,), np.float64),
            "room": spaces.Discrete(7),
            "view": spaces.Box(0, 255, (4, 4, 3), np.uint8),
        }
    )

    def observations(rows: int) -> dict[str, np.ndarray]:
        return {
            "goal": np.zeros((rows, 2)),
            "room": np.arange(rows),
            "view": np.zeros((rows, 4, 4, 3), np.uint8),
        }

    make(observations, spaces.Discrete(3, start=1), lambda steps: np.arange(steps) + 1, observation_space=space)
    data = read("mine/test-v0")
    assert data.action.tolist() == [0, 1, 2, 0, 1]
    assert data.action_space == Discrete(3)
    assert data.obs_space["room"] == Discrete(7)
    assert data.obs["view"].shape == (5, 4, 4, 3)
    assert data.next_obs["room"].tolist() == [1, 2, 3, 1, 2]


def test_the_environment_and_its_reference_scores_come_along(make):
    meta = {"env": "CartPole-v1", "ref_min_score": 1.0, "ref_max_score": 5.0}
    make(lambda rows: np.zeros((rows, 4), np.float32), None, lambda steps: np.zeros(steps, np.int64), **meta)
    data = read("mine/test-v0")
    assert data.env == "CartPole-v1"
    assert data.score_range == (1.0, 5.0)
    assert data.horizon == 500
    assert data.action_space == Discrete(2)


def test_an_unknown_one(make, tmp_path):
    with pytest.raises(BadInput, match="minari:mine/none-v0: is not a readable Minari data set"):
        load("minari:mine/none-v0")
    (tmp_path / "empty").mkdir()
    with pytest.raises(BadInput, match="empty: is not a readable Minari data set"):
        load(tmp_path / "empty")


def test_without_the_package(monkeypatch):
    monkeypatch.setitem(sys.modules, "minari", None)
    with pytest.raises(BadInput, match=r"pip install 'mooring\[minari\]'"):
        load("minari:mine/test-v0")


@pytest.fixture
def written(tmp_path, monkeypatch):
    """Writes a data set and gives what Minari opens of it by name."""
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))

    def write(data):
        from mooring.data.formats.minari import write

        (tmp_path / "mine").mkdir()
        write(data, tmp_path / "mine" / "test-v0")
        return minari.load_dataset("mine/test-v0")

    return write


def test_minari_opens_what_is_written(written):
    data = replace(sample("described"), env="Pendulum-v1")
    stored = written(data)
    assert (stored.total_episodes, stored.total_steps) == (3, 9)
    assert stored.env_spec.id == "Pendulum-v1"
    assert stored.action_space == spaces.Box(np.float32([-2, -2]), np.float32([2, 3]))
    assert stored.observation_space.high.tolist() == [9, 9, 9]
    assert minari.get_normalized_score(stored, np.array([2.0])).tolist() == [0.5]
    first, second, third = stored.iterate_episodes()
    assert first.terminations.tolist() == [False, False, True]
    assert second.truncations.tolist() == [False, False, False, True]
    assert not third.terminations.any()
    np.testing.assert_array_equal(first.observations, np.concatenate([data.obs[:3], data.next_obs[2:3]]))
    np.testing.assert_array_equal(second.actions, data.action[3:7])
    np.testing.assert_array_equal(third.rewards, data.reward[7:])


def test_spaces_of_all_kinds_are_written(written):
    stored = written(sample("dict"))
    assert stored.observation_space["room"] == spaces.Discrete(6)
    assert stored.observation_space["goal"].shape == (2,)
    assert stored[0].observations["room"].tolist() == [0, 1, 2, 3]


def test_images_are_not_compressed_with_loss(written):
    data = sample("images")
    stored = written(data)
    assert stored.observation_space == spaces.Box(0, 255, (8, 8, 3), np.uint8)
    np.testing.assert_array_equal(stored[0].observations[:3], data.obs[:3])


def test_extra_columns_are_what_a_step_returned(written):
    data = sample("extra")
    infos = written(data)[1].infos
    assert infos["tag"].tolist() == [0, 3, 4, 5, 6]  # nothing is known at the reset
    assert infos["pair"].shape == (5, 2)


def test_ids():
    from pathlib import Path

    from mooring.data.formats.minari import _id

    assert _id("mine/test-v0", Path("test-v0")) == "mine/test-v0"
    assert _id("hopper", Path("some/out")) == "out-v0"
    assert _id("hopper", Path("my data (2)")) == "my-data-2-v0"
