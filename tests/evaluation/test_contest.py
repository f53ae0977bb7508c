"""Sequential halving: how it shares episodes out, that it finds the best more often, real policies in a real maze."""

import numpy as np
import pytest

from mooring.environments.guide import Guide
from mooring.environments.pointmass import Pointmass
from mooring.errors import BadInput
from mooring.evaluation.contest import Play, contest, contest_of


def normal_arms(means: np.ndarray, rng: np.random.Generator) -> Play:
    return lambda arm, episodes, seed: rng.normal(means[arm], 1, episodes)


def test_the_worse_half_leaves_after_each_round() -> None:
    played = contest(normal_arms(np.array([0, 50, 100, 150.0]), np.random.default_rng(0)), 4, budget=48)
    assert played.ranking == (3, 2, 1, 0)
    assert [len(each) for each in played.returns] == [6, 6, 18, 18]
    assert played.lead.low > 45


def test_it_finds_the_best_more_often_than_equal_shares() -> None:
    means = np.array([0.3, 0.1, *np.linspace(0, -1.5, 14)])
    rng = np.random.default_rng(1)
    found = {"halving": 0, "equal": 0}
    for _ in range(600):
        found["halving"] += contest(normal_arms(means, rng), 16, budget=18 * 16).winner == 0
        found["equal"] += rng.normal(means, 1 / np.sqrt(18)).argmax() == 0
    assert found["halving"] > found["equal"] + 30


def test_a_policy_that_is_not_finite_loses() -> None:
    play: Play = lambda arm, episodes, seed: np.full(episodes, np.nan if arm else -5.0)
    assert contest(play, 2, budget=8).winner == 0


@pytest.mark.parametrize(("contestants", "budget"), [(4, 15), (1, 100)])
def test_too_little_to_compare_is_refused(contestants: int, budget: int) -> None:
    with pytest.raises(BadInput, match=f"{budget} episodes for {contestants}"):
        contest(normal_arms(np.zeros(4), np.random.default_rng(0)), contestants, budget)


def test_policies_in_a_maze() -> None:
    maze = Pointmass.named("easy")
    policies = [Guide.through(maze, epsilon) for epsilon in (1.0, 0.0, 0.6)]
    played = contest_of(policies, "mooring/Pointmass-easy-v0", budget=12, sampled=True)
    assert played.winner == 1
    assert sum(len(each) for each in played.returns) <= 12
