"""The direct method by a learned model: walks that can be worked out, a known value, and what is refused."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from known import Linear as LinearPolicy
from known import known, linear_quadratic

from mooring.environments.terminations import never
from mooring.errors import BadInput
from mooring.loop import stack
from mooring.networks.dynamics import Dynamics, GaussianDynamics
from mooring.networks.mlp import MLP, Linear
from mooring.normalizer import EPSILON, Normalizer
from mooring.ope.intervals import student_t
from mooring.ope.learned.model import Model, Range, imagined_values, walk
from mooring.types import Box, Spec


def certain(factor: float) -> Dynamics:
    """s' = factor s, reward s, told by one linear network without doubt."""
    one, zero = jnp.ones(1), jnp.zeros(1)
    obs, action = (Box(-width * one, width * one, zero, (1 - EPSILON) * one) for width in (9.0, 1.0))
    spec = Spec(obs, action, jnp.ones(()), jnp.zeros(()), 30)
    weight = jnp.zeros((2, 5)).at[0, :2].set(jnp.asarray([1.0, factor - 1]))
    bound = jnp.full(2, -80.0)
    member = GaussianDynamics(MLP((Linear(weight, jnp.zeros(5)),), (), jax.nn.relu), bound, bound)
    return Dynamics(jax.tree.map(lambda leaf: leaf[None], member), Normalizer(spec, True), 1)


def walked(ends: Any, within: tuple[float, float] = (-9.0, 9.0), horizon: int = 30) -> tuple[np.ndarray, float]:
    """From 1 and 4, in a model that halves and one that does not, by a policy that adds 0."""
    low, high = within
    limits = Range(jnp.full(1, low), jnp.full(1, high), jnp.asarray(low), jnp.asarray(high))
    policy = LinearPolicy(jnp.zeros(()), jnp.zeros(()))
    first, keys = jnp.asarray([[1.0], [4.0]]), jax.random.split(jax.random.key(0), 2)
    value, strayed = walk(stack([certain(0.5), certain(1.0)]), policy, ends, limits, first, 0.8, horizon, keys)
    return np.asarray(value), float(strayed)


def test_a_walk_sums_discounted_rewards() -> None:
    value, strayed = walked(never, horizon=3)
    of_one = [1 + 0.8 * 0.5 + 0.64 * 0.25, 1 + 0.8 + 0.64]
    np.testing.assert_allclose(value, [[of_one[0], 4 * of_one[0]], [of_one[1], 4 * of_one[1]]], rtol=1e-6)
    assert strayed == 0


def test_nothing_counts_after_the_end() -> None:
    value, _ = walked(lambda obs: obs[0] < 0.7)
    np.testing.assert_allclose(value[0], [1, 4 + 0.8 * 2 + 0.64 * 1], rtol=1e-6)


def test_what_leaves_the_range_of_the_data_is_put_back_and_counted() -> None:
    value, strayed = walked(never, within=(2.0, 3.0), horizon=2)
    np.testing.assert_allclose(value[1], [2 + 0.8 * 2, 3 + 0.8 * 3], rtol=1e-6)
    assert strayed == pytest.approx((3 + 2) / 8)  # of the one that halves, of the other one


@pytest.mark.every
def test_the_value_of_linear_dynamics_is_the_known_one() -> None:
    problem = linear_quadratic(150)
    learner = Model(batch_size=128, hidden=(32, 32))
    found = imagined_values(problem.data, problem.policy, 0.9, steps=1000, members=3, learner=learner)
    assert found.estimate.value == pytest.approx(problem.value, abs=0.2)
    interval = found.interval()
    assert interval.low <= problem.value <= interval.high
    assert student_t(found.estimate).value == pytest.approx(interval.value)


def test_what_is_no_vector_or_no_continuous_action_is_refused() -> None:
    problem = known()
    with pytest.raises(BadInput, match="not vectors"):
        imagined_values(problem.data, problem.policy)
