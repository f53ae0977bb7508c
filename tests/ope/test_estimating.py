"""`estimate` as a user calls it: verdicts on policies whose values are known, and what it refuses."""

from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest
from jaxtyping import PyTree

from mooring.data import Dataset
from mooring.errors import BadInput
from mooring.ope.estimating import estimate
from mooring.ope.methods import METHODS
from mooring.ope.tabular.random_mdps import TabularMDP
from mooring.policies import TablePolicy, UniformPolicy

MDP = TabularMDP.random(np.random.default_rng(0), states=8, actions=3, horizon=10)
BEHAVIOR = np.full((8, 3), 1 / 3)
BEST = np.eye(3)[MDP.action_values(BEHAVIOR)[0].argmax(1)]


def policy(table: np.ndarray) -> TablePolicy:
    return TablePolicy(jnp.asarray(table, jnp.float32))


def mixed(share: float) -> np.ndarray:
    """As much of the better policy, and the rest as the behavior policy."""
    return share * BEST + (1 - share) * BEHAVIOR


@pytest.fixture(scope="module")
def logged() -> Dataset:
    return MDP.simulate(BEHAVIOR, 2000, np.random.default_rng(1))


def test_a_better_policy_is_said_to_be_by_every_sound_estimator(logged: Dataset) -> None:
    target = mixed(0.3)
    judged = estimate(policy(target), logged, discount=MDP.discount, sampled=True)
    truth = MDP.value(target)
    assert [each.estimator for each in judged.each] == ["pdis", "wpdis", "dr", "wdr", "dm"]
    assert all(each.verdict == "better" for each in judged.each)
    for each in judged.each:
        assert abs(each.value.value - truth) < 2 * (each.value.high - each.value.low)
    assert judged.behavior.low <= MDP.value(BEHAVIOR) <= judged.behavior.high
    assert judged["dm"].value.low <= truth <= judged["dm"].value.high


def test_the_behavior_policy_is_not_better_than_itself(logged: Dataset) -> None:
    assert estimate(policy(BEHAVIOR), logged, discount=MDP.discount, sampled=True).verdict == "cannot tell"


def test_probabilities_that_were_not_logged_are_counted(logged: Dataset) -> None:
    unlogged = Dataset.build(
        logged.obs,
        logged.action,
        logged.reward,
        logged.continues == 0,
        logged.last,
        next_obs=logged.next_obs,
        obs_space=logged.obs_space,
        action_space=logged.action_space,
    )
    judged = estimate(policy(mixed(0.3)), unlogged, discount=MDP.discount, sampled=True)
    assert judged.verdict == "better"
    assert any("counted from other episodes" in warning for warning in judged["wdr"].warnings)
    assert judged["dm"].warnings == judged.each[-1].warnings


def test_a_greedy_policy_far_from_the_log_is_left_to_values(logged: Dataset) -> None:
    judged = estimate(policy(BEST), logged, discount=MDP.discount)
    assert judged["pdis"].verdict == "data does not support"
    assert judged.chosen.estimator == "dm"
    assert judged.verdict == "better"


LEARNED = [name for name, method in METHODS.items() if "next draws" in method.needs]


@pytest.mark.parametrize("name", [name for name in METHODS if name not in (*LEARNED, "dm-model")])
def test_every_estimator_is_near_the_truth(logged: Dataset, name: str) -> None:
    target = mixed(0.15)
    judged = estimate(policy(target), logged, discount=MDP.discount, sampled=True, estimators=[name])[name]
    width = judged.value.high - judged.value.low
    assert 0 < width < 1.5
    assert abs(judged.value.value - MDP.value(target)) < width


@pytest.mark.every
@pytest.mark.parametrize("name", LEARNED)
def test_learned_ratios_are_near_the_truth(logged: Dataset, name: str) -> None:
    target = mixed(0.15)
    judged = estimate(policy(target), logged, discount=0.8, sampled=True, estimators=[name], updates=3000)[name]
    assert abs(judged.value.value - MDP.value(target)) < 2.0


def test_the_page_names_every_estimator() -> None:
    page = (Path(__file__).parents[2] / "docs/judging.md").read_text()
    assert [name for name in METHODS if f"`{name}`" not in page] == []


def test_json_has_what_the_page_shows(logged: Dataset) -> None:
    said = estimate(policy(mixed(0.3)), logged, discount=MDP.discount, sampled=True, estimators=["dm", "mis"]).to_json()
    assert [each["name"] for each in said["estimates"]] == ["dm", "mis"]
    assert set(said["estimates"][0]) == {
        "name",
        "value",
        "low",
        "high",
        "difference",
        "effective_size",
        "warnings",
        "verdict",
    }
    assert said["estimates"][0]["effective_size"] is None
    assert said["verdict"] == "better"


@pytest.mark.parametrize(
    ("asked", "trouble"),
    [
        ({"estimators": ["wdrr"]}, "did you mean"),
        ({"interval": "hoeffding"}, "interval 'hoeffding'"),
        ({"discount": 1.5}, "1.5"),
    ],
)
def test_what_does_not_exist_is_refused(logged: Dataset, asked: dict, trouble: str) -> None:  # type: ignore[type-arg]
    with pytest.raises(BadInput, match=trouble):
        estimate(policy(BEHAVIOR), logged, **asked)


class Remembers(UniformPolicy):
    def begin(self) -> PyTree:
        return jnp.zeros(())


def test_a_policy_with_a_memory_is_refused(logged: Dataset) -> None:
    with pytest.raises(BadInput, match="carries a memory"):
        estimate(Remembers(logged.spec().action), logged)  # type: ignore[arg-type]


def test_blocks_are_units(logged: Dataset) -> None:
    judged = estimate(policy(BEHAVIOR), logged, discount=0.9, sampled=True, estimators=["pdis"], block=5)
    assert judged["pdis"].effective_size == 2 * logged.num_episodes


def test_learned_dynamics_are_for_vectors(logged: Dataset) -> None:
    with pytest.raises(BadInput, match="vectors of numbers"):
        estimate(policy(BEHAVIOR), logged, estimators=["dm-model"])
