"""Rollouts against episodes stepped by hand, one environment at a time."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jaxtyping import Array, Float

from mooring import types
from mooring.environments import acting
from mooring.environments.guide import Guide
from mooring.environments.making import make
from mooring.environments.pointmass import Pointmass
from mooring.errors import BadInput
from mooring.evaluation import rollouts
from mooring.evaluation.rollouts import Environments, population, rollout
from mooring.loop import member, stack
from mooring.networks.actors import GaussianActor
from mooring.normalizer import Normalizer
from mooring.policies import ActorPolicy
from mooring.user_files import load_object

EASY = "mooring/Pointmass-easy-v0"

USER_FILE = '''
import gymnasium
import numpy as np

LOG = []  # every call, as (environment, verb)


class Counting(gymnasium.Env):
    """Pays the action that it is given, and ends after 3 + (a draw from its seed) steps."""

    observation_space = gymnasium.spaces.Box(-np.inf, np.inf, (2,), np.float64)
    action_space = gymnasium.spaces.Box(-1.0, 1.0, (1,), np.float32)

    def __init__(self, fails_at=None, endless=False, fails_on_reset=False):
        self.number = sum(verb == "made" for _, verb in LOG)
        self.fails_at, self.endless, self.fails_on_reset = fails_at, endless, fails_on_reset
        LOG.append((self.number, "made"))

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        LOG.append((self.number, f"reset {seed}"))
        if self.fails_on_reset and self.number == 2:
            raise OSError("no room")
        self.length, self.time = 3 + int(self.np_random.integers(5)), 0
        return self._obs(), {}

    def step(self, action):
        LOG.append((self.number, "step"))
        if self.time == self.fails_at and self.number == 4:
            raise ValueError("out of fuel")
        self.time += 1
        ended = self.time == self.length and not self.endless
        return self._obs(), float(action[0]), ended, False, {}

    def close(self):
        LOG.append((self.number, "close"))

    def _obs(self):
        return np.array([self.time, self.length], np.float64)


def fine(): return Counting()
def failing(): return Counting(fails_at=2)
def endless(): return Counting(endless=True)
def failing_reset(): return Counting(fails_on_reset=True)

def third_missing():
    if sum(verb == "made" for _, verb in LOG) == 2:
        raise RuntimeError("a license for two")
    return Counting()
'''


@pytest.fixture
def user(tmp_path):
    """A file of environments; gives `reference(name)` and `calls()`, every call that was made to them."""
    (tmp_path / "my_env.py").write_text(USER_FILE)
    reference = lambda name: f"{tmp_path}/my_env.py:{name}"
    return reference, lambda: load_object(reference("LOG"))


class Constant(types.Policy):
    """Always the same action; with a key, one drawn uniformly."""

    action: Float[Array, " A"]

    def act(self, memory, obs, key):
        drawn = self.action if key is None else jax.random.uniform(key, self.action.shape)
        return drawn, memory


class Remembering(types.Policy):
    """Answers steps so far + weight * (sum of rewards so far) + obs[1] / 10."""

    weight: Float[Array, ""]

    def begin(self):
        return {"steps": 0.0, "rewards": jnp.zeros(())}

    def act(self, memory, obs, key):
        action = memory["steps"] + self.weight * memory["rewards"] + obs[1] / 10
        return action[None], {**memory, "steps": memory["steps"] + 1}

    def observe(self, memory, reward):
        return {**memory, "rewards": memory["rewards"] + reward}


def constants(*actions):
    return stack([Constant(jnp.asarray([action], jnp.float32)) for action in actions])


def gaussians(env, seeds):
    """Actors for an environment's spaces, untrained."""
    space = env.observation_space.shape[0]
    low, high = env.action_space.low, env.action_space.high
    obs = types.Box(*(jnp.full(space, value) for value in (-jnp.inf, jnp.inf, 0.0, 1.0)))
    action = types.Box(jnp.asarray(low), jnp.asarray(high), jnp.zeros(len(low)), jnp.ones(len(low)))
    spec = types.Spec(obs, action, types.scalar(1.0), types.scalar(0.0), 1000)
    actor = lambda seed: GaussianActor.of(jax.random.key(seed), space, len(low), (16,))
    return stack([ActorPolicy(actor(seed), Normalizer(spec, True)) for seed in seeds])


act_once = jax.jit(lambda policy, memory, obs, key: policy.act(memory, obs, key))


def by_hand(policy, env_id, env_seed, keys=None):
    """The return and the length of one episode of one policy."""
    with make(env_id) as env:
        obs, _ = env.reset(seed=env_seed)
        memory, total, length, ended = policy.begin(), 0.0, 0, False
        while not ended:
            obs = jnp.asarray(obs, jnp.float32)
            action, memory = act_once(policy, memory, obs, None if keys is None else keys(length))
            obs, reward, terminated, truncated, _ = env.step(np.asarray(action))
            memory = policy.observe(memory, types.scalar(reward))
            total, length, ended = total + reward, length + 1, terminated or truncated
    return total, length


def env_seeds(seed, episodes):
    return np.random.SeedSequence(seed).generate_state(episodes).tolist()


def test_population_equals_episodes_by_hand():
    maze = Pointmass.named("easy")
    policies = stack([Guide.through(maze), Guide(jnp.full((10, 10), 3), types.scalar(0.0)), Guide.through(maze)])
    found = rollout(policies, EASY, episodes=4, seed=3)
    expected = [[by_hand(member(policies, m), EASY, s) for s in env_seeds(3, 4)] for m in range(3)]
    np.testing.assert_array_equal(found.returns, np.array(expected)[..., 0])
    np.testing.assert_array_equal(found.lengths, np.array(expected)[..., 1])
    assert found.returns.dtype == np.float64
    assert (found.returns[1] == -50).all()  # it only walks up, and the limit cuts it
    assert (found.lengths[0] < 50).all()
    assert len(set(found.lengths[0])) > 1
    np.testing.assert_array_equal(found.returns[0], found.returns[2])  # common random numbers


def test_mujoco_equals_episodes_by_hand():
    pytest.importorskip("mujoco")
    pytest.importorskip("imageio")
    with make("Hopper-v5") as env:
        policies = gaussians(env, [0, 1])
    found = rollout(policies, "Hopper-v5", episodes=3, seed=1)
    expected = [[by_hand(member(policies, m), "Hopper-v5", s) for s in env_seeds(1, 3)] for m in range(2)]
    np.testing.assert_array_equal(found.lengths, np.array(expected)[..., 1])
    # a matrix product of a batch sums in another order than one of a single row
    np.testing.assert_allclose(found.returns, np.array(expected)[..., 0], rtol=1e-3)


def test_sampled_keys_differ_by_member_episode_and_step():
    maze = Pointmass.named("easy")
    policies = stack([Guide.through(maze, epsilon=0.5)] * 2)
    found = rollout(policies, EASY, episodes=3, seed=7, sampled=True)
    fold = jax.random.fold_in

    def keys(m, e):
        return lambda step: fold(fold(fold(jax.random.key(7), m), e), step)

    expected = [
        [by_hand(member(policies, m), EASY, s, keys(m, e)) for e, s in enumerate(env_seeds(7, 3))] for m in range(2)
    ]
    np.testing.assert_array_equal(found.returns, np.array(expected)[..., 0])
    np.testing.assert_array_equal(found.lengths, np.array(expected)[..., 1])


def test_sampled_actions_all_differ(user):
    reference, _ = user
    found = rollout(constants(0.5, 0.5), reference("fine"), episodes=5, seed=0, sampled=True)
    assert len(np.unique(found.returns)) == 10


def test_memory_is_carried_and_sees_rewards(user):
    reference, _ = user
    policies = stack([Remembering(types.scalar(weight)) for weight in (0.0, 0.5)])
    found = rollout(policies, reference("fine"), episodes=4, seed=5)
    for m, weight in enumerate((0.0, 0.5)):
        for e, length in enumerate(found.lengths[m].tolist()):
            seen = 0.0
            for step in range(length):
                seen += step + weight * seen + length / 10
            assert found.returns[m, e] == pytest.approx(seen, rel=1e-5)
    assert len(set(found.lengths[0])) > 1


def test_each_environment_plays_one_episode_and_closes(user):
    reference, calls = user
    found = rollout(constants(1.0, 0.25, -1.0), reference("fine"), episodes=4, seed=2)
    verbs = [verb.split()[0] for _, verb in calls()]
    np.testing.assert_allclose(found.returns, found.lengths * np.array([[1.0], [0.25], [-1.0]]))
    np.testing.assert_array_equal(found.lengths[0], found.lengths[1])
    assert verbs.count("reset") == 12
    assert verbs.count("step") == found.lengths.sum()  # those that ended are left alone
    assert verbs.count("close") == 12


def test_seeds_of_episodes(user):
    reference, calls = user
    rollout(constants(1.0, 1.0), reference("fine"), episodes=3, seed=11)
    resets = [verb for _, verb in calls() if verb.startswith("reset")]
    assert resets == [f"reset {s}" for s in env_seeds(11, 3)] * 2
    assert env_seeds(11, 3) == env_seeds(11, 8)[:3]
    assert not set(env_seeds(11, 50)) & set(env_seeds(12, 50))


def test_environments_can_be_played_again():
    policies = stack([Guide.through(Pointmass.named("easy"))])
    with Environments(EASY, 1, 3) as environments:
        first, other, again = (environments.rollout(policies, seed) for seed in (0, 1, 0))
    np.testing.assert_array_equal(first.returns, again.returns)
    assert not np.array_equal(first.returns, other.returns)


def test_mujoco_played_again_is_the_same_to_the_last_bit():
    pytest.importorskip("mujoco")
    pytest.importorskip("imageio")
    with Environments("Hopper-v5", 2, 2) as environments, make("Hopper-v5") as env:
        policies = gaussians(env, [0, 1])
        environments.rollout(policies, seed=8)
        again = environments.rollout(policies, seed=4)
    np.testing.assert_array_equal(again.returns, rollout(policies, "Hopper-v5", 2, seed=4).returns)


def test_one_compilation_serves_every_step_and_rollout():
    policies = stack([Guide.through(Pointmass.named("medium"))] * 2)
    with Environments(EASY.replace("easy", "medium"), 2, 3) as environments:
        before = acting.act._cache_size()
        environments.rollout(policies, 0)
        environments.rollout(policies, 1)
    assert acting.act._cache_size() == before + 1


def test_action_that_is_not_finite_ends_the_episode_with_nan(user):
    reference, _ = user
    found = rollout(constants(jnp.nan, 1.0), reference("fine"), episodes=2)
    assert np.isnan(found.returns[0]).all()
    assert (found.lengths[0] == 0).all()
    np.testing.assert_array_equal(found.returns[1], found.lengths[1])


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("failing", "my_env.py:failing, member 1, episode 1, step 2: ValueError: out of fuel"),
        ("failing_reset", "my_env.py:failing_reset, member 0, episode 2, reset: OSError: no room"),
    ],
)
def test_failing_environment_is_named_and_all_are_closed(user, name, message):
    reference, calls = user
    with pytest.raises(BadInput, match=message):
        rollout(constants(0.0, 0.0), reference(name), episodes=3)
    assert sorted(number for number, verb in calls() if verb == "close") == list(range(6))


def test_environments_made_before_one_fails_are_closed(user):
    reference, calls = user
    with pytest.raises(RuntimeError, match="license"):
        rollout(constants(0.0), reference("third_missing"), episodes=3)
    assert sorted(number for number, verb in calls() if verb == "close") == [0, 1]


def test_endless_episode_is_refused(user, monkeypatch):
    reference, _ = user
    monkeypatch.setattr(rollouts, "LONGEST", 20)
    with pytest.raises(BadInput, match="did not end within 20 steps; give it a time limit"):
        rollout(constants(0.0), reference("endless"), episodes=1)


def test_environment_must_fit_the_policy():
    with make("Pendulum-v1") as env:
        policies = gaussians(env, [0, 1])
    assert population(policies) == 2
    with pytest.raises(BadInput, match="observations: 2 floats; expected as in the data: 3 floats"):
        rollout(policies, EASY, episodes=1)


def test_no_episodes():
    with pytest.raises(BadInput, match="episodes: found 0; expected at least 1"):
        rollout(constants(0.0), EASY, episodes=0)
