"""What policies do in logged observations."""

import jax
import numpy as np
import pytest

from mooring.algorithms.imitation.bc import BC
from mooring.data import Dataset
from mooring.environments.guide import Guide
from mooring.environments.pointmass import Pointmass
from mooring.errors import BadInput
from mooring.ope.targets import Greedy, actions, log_probs, probabilities
from mooring.policies import UniformPolicy
from mooring.types import Discrete


def logged(discrete: bool, rows: int = 30) -> Dataset:
    rng = np.random.default_rng(0)
    action = rng.integers(0, 5, rows) if discrete else rng.uniform(-1, 1, (rows, 2)).astype(np.float32)
    truncated = np.arange(rows) % 10 == 9
    obs = rng.uniform(size=(rows, 2)).astype(np.float32)
    return Dataset.build(obs, action, np.ones(rows), np.zeros(rows, bool), truncated, next_obs=obs)


def test_probabilities_of_a_categorical_policy_are_those_of_the_logged_actions() -> None:
    data = logged(discrete=True)
    algorithm = BC(hidden=(8,))
    policy = algorithm.policy(algorithm.init(jax.random.key(0), data.spec()))
    every = probabilities(policy, data)
    np.testing.assert_allclose(every.sum(1), 1)
    known = log_probs(policy, data)
    assert known is not None
    np.testing.assert_allclose(np.exp(known), every[np.arange(len(data)), data.action], rtol=1e-5)


def test_a_greedy_policy_takes_one_choice_surely() -> None:
    data = logged(discrete=True)
    policy = Greedy(Guide.through(Pointmass.named("easy"), epsilon=0.5))
    every = probabilities(policy, data)
    assert set(np.unique(every)) == {0, 1}
    np.testing.assert_array_equal(every.argmax(1), actions(policy, data.obs, jax.random.key(1)))


def test_a_greedy_policy_over_continuous_actions_has_no_density() -> None:
    data = logged(discrete=False)
    policy = UniformPolicy(data.spec().action)  # type: ignore[arg-type]
    known = log_probs(policy, data)
    assert known is not None
    np.testing.assert_allclose(known, -2 * np.log(2), rtol=1e-6)
    assert log_probs(Greedy(policy), data) is None


def test_draws_differ_by_row_and_key() -> None:
    data = logged(discrete=False)
    data = Dataset.build(
        data.obs,
        data.action,
        data.reward,
        np.zeros(30, bool),
        data.last,
        next_obs=data.obs,
        action_space=data.action_space,
    )
    policy = UniformPolicy(data.spec().action)  # type: ignore[arg-type]
    first, again, other = (actions(policy, data.obs, jax.random.key(key)) for key in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()
    assert len(np.unique(first[:, 0])) == 30


def test_probabilities_over_continuous_actions_are_refused() -> None:
    data = logged(discrete=False)
    with pytest.raises(BadInput, match="actions are continuous"):
        probabilities(UniformPolicy(data.spec().action), data)  # type: ignore[arg-type]


def test_a_policy_that_hides_its_probabilities_is_refused() -> None:
    with pytest.raises(BadInput, match="does not tell the probabilities"):
        probabilities(Guide.through(Pointmass.named("easy")), logged(discrete=True))


@pytest.mark.parametrize("discrete", [True, False])
def test_a_policy_that_was_made_for_other_actions_or_observations_is_refused(discrete: bool) -> None:
    data = logged(discrete)
    obs = np.concatenate([data.obs, data.obs], axis=1)  # type: ignore[arg-type]
    action = data.action % 3 if discrete else data.action[:, :1]
    ends = np.arange(30) % 10 == 9
    for other in (
        Dataset.build(data.obs, action, np.ones(30), ends, next_obs=data.obs),
        Dataset.build(obs, data.action, np.ones(30), ends, next_obs=obs),
    ):
        algorithm = BC(hidden=(8,))
        policy = algorithm.policy(algorithm.init(jax.random.key(0), other.spec()))
        with pytest.raises(BadInput, match=r"target policy: its (actions|observations) are .*; expected as in data"):
            log_probs(policy, data)


def test_a_policy_over_more_choices_than_the_datas_is_refused_by_its_probabilities() -> None:
    data = logged(discrete=True)
    with pytest.raises(BadInput, match=r"its 5 choices sum to 0\.625 in row 0"):
        log_probs(UniformPolicy(Discrete(8)), data)
