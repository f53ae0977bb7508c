"""Cross-fitted values: they have not seen the episode, and doubly robust intervals by them cover in sparse tables."""

from dataclasses import replace

import numpy as np
import pytest

from mooring.errors import BadInput
from mooring.ope.estimators.doubly_robust import doubly_robust
from mooring.ope.intervals import student_t
from mooring.ope.tabular.cross_fitting import cross_fitted_values
from mooring.ope.tabular.model import Model
from mooring.ope.tabular.random_mdps import TabularMDP, mixture, random_policy


def test_an_episodes_values_do_not_depend_on_its_own_rewards() -> None:
    rng = np.random.default_rng(0)
    mdp = TabularMDP.random(rng, states=5, actions=2, horizon=4)
    uniform = np.full((5, 2), 0.5)
    tabular = mdp.logs(mdp.simulate(uniform, 40, rng), uniform)
    reward = tabular.logs.reward.copy()
    reward[3] += 50
    other = replace(tabular, logs=replace(tabular.logs, reward=reward))
    ours, theirs = cross_fitted_values(tabular), cross_fitted_values(other)
    np.testing.assert_allclose(ours.q[3], theirs.q[3])
    assert not np.allclose(ours.q, theirs.q)


def test_with_many_rows_they_are_the_models() -> None:
    rng = np.random.default_rng(1)
    mdp = TabularMDP.random(rng, states=4, actions=2, horizon=5)
    uniform = np.full((4, 2), 0.5)
    tabular = mdp.logs(mdp.simulate(uniform, 4000, rng), uniform)
    np.testing.assert_allclose(cross_fitted_values(tabular).v, Model.of(tabular).values().v, atol=0.05)


def test_doubly_robust_intervals_cover_where_pairs_have_few_rows() -> None:
    rng = np.random.default_rng(2)
    mdp = TabularMDP.random(rng, states=150, actions=5, horizon=6)
    behavior = np.full((150, 5), 0.2)
    target = mixture(behavior, random_policy(rng, 150, 5), 0.3)
    truth, covered = mdp.value(target), np.zeros(2)
    for seed in range(60):
        tabular = mdp.logs(mdp.simulate(behavior, 150, rng), target)  # 900 rows of 750 pairs
        for place, values in enumerate((Model.of(tabular).values(), cross_fitted_values(tabular, seed=seed))):
            found = student_t(doubly_robust(tabular.logs, values))
            covered[place] += found.low <= truth <= found.high
    assert covered[1] / 60 >= 0.88
    assert covered[0] < covered[1]


def test_a_single_group_is_refused() -> None:
    rng = np.random.default_rng(3)
    mdp = TabularMDP.random(rng, states=3, actions=2, horizon=2)
    uniform = np.full((3, 2), 0.5)
    tabular = mdp.logs(mdp.simulate(uniform, 4, rng), uniform)
    with pytest.raises(BadInput, match="4 groups in 1 folds"):
        cross_fitted_values(tabular, folds=1)
