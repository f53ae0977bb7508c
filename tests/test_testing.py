"""The checks themselves: each must find the fault that it is there for, and the small problem must be as described."""

from dataclasses import replace
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mooring.environments.mazes import MOVES
from mooring.normalizer import Normalizer
from mooring.sources import Offline, to_device
from mooring.testing import (
    HORIZON,
    RADIUS,
    REACH,
    Walker,
    best_value,
    check_algorithm,
    check_learning,
    check_policy,
    check_source,
    cloned_value,
    policy_value,
    small_data,
)
from mooring.types import Algorithm, Policy, Stage, delayed, static

DATA = small_data("continuous")


class Linear(Policy):
    """Its action is weight * features, within the bounds."""

    weight: Any
    normalizer: Normalizer

    def act(self, memory, obs, key):
        noise = 0.0 if key is None else jax.random.normal(key, (2,))
        return self.normalizer.from_unit(jnp.tanh(self.weight * self.normalizer.obs(obs) + noise)), memory


class Sound(Algorithm):
    """The smallest algorithm that passes: V(s) = weight . features by temporal differences, with a delayed part."""

    name: ClassVar[str] = "sound"
    actions: ClassVar[tuple[str, ...]] = ("continuous",)
    rate: float = 0.01
    discount: float = 0.9
    batch_size: int = static(32)

    def init(self, key, spec):
        weight = jax.random.normal(key, (2,))
        return {"weight": weight, "slow": weight, "normalizer": Normalizer(spec, True)}

    def value(self, agent, obs):
        return jnp.sum(agent["weight"][None] * obs, axis=1)

    def continues(self, batch):
        return batch.continues

    def due(self, agent, step):
        return step % 2 == 0

    def update(self, agent, batch, key, step):
        batch = agent["normalizer"].batch(batch)
        target = batch.reward + self.discount * self.continues(batch) * self.value(agent, batch.next_obs)
        error = target - self.value(agent, batch.obs)
        agent = {**agent, "weight": agent["weight"] + self.rate * jnp.mean(error[:, None] * batch.obs, axis=0)}
        slow = lambda agent: ({**agent, "slow": agent["weight"]}, {"slow": jnp.sum(agent["weight"])})
        agent, metrics = delayed(self.due(agent, step), slow, agent)
        return agent, metrics | {"loss": jnp.mean(error**2)}

    def policy(self, agent):
        return Linear(agent["weight"], agent["normalizer"])


def test_a_sound_algorithm_passes():
    check_algorithm(Sound())


class NumberInAgent(Sound):
    def init(self, key, spec):
        return {**super().init(key, spec), "count": 0}


class NeverBootstrapsAtLimits(Sound):
    """Takes time limits for terminals, by its source."""

    def source(self, data):
        return Offline.of(replace(data, continues=np.where(data.last, 0, data.continues).astype(np.float32)))


class BootstrapsAtTerminals(Sound):
    def continues(self, batch):
        return jnp.ones_like(batch.continues)


class Diverges(Sound):
    def init(self, key, spec):
        return {**super().init(key, spec), "weight": jnp.full(2, 1e38)}


class InfiniteMetric(Sound):
    def update(self, agent, batch, key, step):
        agent, metrics = super().update(agent, batch, key, step)
        return agent, metrics | {"worst": jnp.asarray(jnp.inf)}


class NoMetric(Sound):
    def update(self, agent, batch, key, step):
        return super().update(agent, batch, key, step)[0], {"loss": jnp.asarray(jnp.nan)}


class BranchesOnItsAgent(Sound):
    """Its own counter has a population axis, so both branches would be computed."""

    def init(self, key, spec):
        return {**super().init(key, spec), "count": jnp.zeros((), jnp.int32)}

    def due(self, agent, step):
        return agent["count"] % 2 == 0


class OutOfBounds(Sound):
    def policy(self, agent):
        return Linear(agent["weight"], Wide(agent["normalizer"].spec, True))


class Wide(Normalizer):
    def from_unit(self, action):
        return 3 * action + 1


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (NumberInAgent, r"agent\['count'\] is int"),
        (NeverBootstrapsAtLimits, "time limits has no effect"),
        (BootstrapsAtTerminals, "next_obs of terminated rows"),
        (Diverges, "is not finite after training"),
        (InfiniteMetric, "worst is infinite"),
        (NoMetric, "no metric is a number"),
        (BranchesOnItsAgent, "of 1 cond in an update 0 are left"),
        (OutOfBounds, "out of bounds"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_each_fault_is_found(broken, message):
    with pytest.raises(AssertionError, match=message):
        check_algorithm(broken())


class PythonBranch(Sound):
    def update(self, agent, batch, key, step):
        if self.rate > 0.5:
            return agent, {"loss": jnp.zeros(())}
        return super().update(agent, batch, key, step)


def test_a_python_branch_on_a_float_setting_is_found():
    with pytest.raises(jax.errors.TracerBoolConversionError):
        check_algorithm(PythonBranch())


class Staged(Sound):
    """Its value function begins with the weight that a stage learned."""

    first: Any = None

    def stages(self):
        return (Stage("first", Sound(discount=0.5), 4),)

    def init(self, key, spec):
        return {**super().init(key, spec), "weight": self.first.weight}


def test_stages_are_trained_first():
    check_algorithm(Staged())


def test_a_model_of_the_dynamics_may_learn_the_last_observation():
    check_algorithm(BootstrapsAtTerminals(), learns_terminal_next_obs=True)


class Forgetful(Policy):
    """A memory that changes its type in the first step."""

    def begin(self):
        return jnp.zeros((), jnp.int32)

    def act(self, memory, obs, key):
        return jnp.zeros(2), memory + 0.5


class Stubborn(Policy):
    """Its samples are all one action, and that is not its mode."""

    def act(self, memory, obs, key):
        return jnp.zeros(2) if key is None else jnp.ones(2), memory


class Half(Policy):
    def act(self, memory, obs, key):
        return jnp.zeros(1), memory


@pytest.mark.parametrize(
    ("policy", "message"),
    [(Forgetful(), "memory changes"), (Stubborn(), "one sample for all keys"), (Half(), "has shape")],
    ids=lambda value: type(value).__name__,
)
def test_each_fault_of_a_policy_is_found(policy, message):
    with pytest.raises(AssertionError, match=message):
        check_policy(policy, DATA)


class Constant(Offline):
    def sample(self, state, key, size):
        return super().sample(state, jax.random.key(0), size)


class Short(Offline):
    def sample(self, state, key, size):
        return super().sample(state, key, size - 1)


class Blended(Offline):
    """The reward of one row beside the observation of another."""

    def sample(self, state, key, size):
        batch = super().sample(state, key, size)
        return replace(batch, reward=batch.reward[::-1])


@pytest.mark.parametrize(
    ("broken", "message"),
    [(Constant, "it gives one batch for ever"), (Short, "not 32 rows"), (Blended, "are not rows of the data")],
)
def test_each_fault_of_a_source_is_found(broken, message):
    with pytest.raises(AssertionError, match=message):
        check_source(broken(to_device(DATA)), DATA)


def test_cloning_does_not_count_as_learning():
    with pytest.raises(AssertionError, match="learned too little"):
        check_learning(Sound(), "continuous", 10)


@pytest.mark.parametrize("actions", ["continuous", "discrete"])
def test_cloning_the_small_problem_is_far_from_its_best(actions):
    assert cloned_value(actions) < best_value(actions) - 3


def test_the_best_discrete_policy_is_that_of_value_iteration():
    side = np.arange(-4, 5)
    value = np.zeros((9, 9))
    for _ in range(HORIZON):
        reached = []
        for down, right in np.asarray(MOVES, int):
            row, column = np.clip(side + down, -4, 4), np.clip(side + right, -4, 4)
            reward = -REACH * (np.abs(row)[:, None] + np.abs(column)[None]) / 2
            ended = (row == 0)[:, None] & (column == 0)[None]
            reached.append(reward + np.where(ended, 0, value[np.ix_(row + 4, column + 4)]))
        value = np.max(reached, axis=0)
    assert best_value("discrete") == pytest.approx(value.mean(), rel=1e-5)


def test_the_best_continuous_policy_comes_as_near_as_can_be_at_each_step():
    states = np.stack(np.meshgrid(np.linspace(-1, 1, 9), np.linspace(-1, 1, 9)), axis=-1).reshape(-1, 2)
    value, ended = np.zeros(len(states)), np.zeros(len(states), bool)
    for step in range(1, HORIZON + 1):
        nearest = np.maximum(np.abs(states) - step * REACH, 0)
        value -= np.where(ended, 0, nearest.mean(axis=1))
        ended |= (nearest < RADIUS).all(axis=1)
    assert best_value("continuous") == pytest.approx(value.mean(), rel=1e-5)


@pytest.mark.parametrize("actions", ["continuous", "discrete"])
def test_the_small_data_hold_what_was_lived(actions):
    data = small_data(actions)
    move = data.action if actions == "continuous" else np.asarray(MOVES)[data.action]
    np.testing.assert_allclose(data.next_obs, np.clip(data.obs + REACH * move, -1, 1), atol=1e-6)
    np.testing.assert_allclose(data.reward, -np.abs(data.next_obs).mean(axis=1), atol=1e-6)
    near = (np.abs(data.next_obs) < RADIUS).all(axis=1)
    assert np.array_equal(data.continues == 0, near)
    assert (data.lengths[~near[data.ends]] == HORIZON).all()
    assert near.any()
    assert (data.last & ~near).any()


def test_a_walker_away_from_the_origin_is_worse_than_one_that_stays():
    away = float(policy_value(Walker(-jnp.ones(()), jnp.zeros(()), "continuous")))
    still = float(policy_value(Walker(jnp.zeros(()), jnp.zeros(()), "continuous")))
    assert away < still < best_value("continuous")
