import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mooring.networks.actors import CategoricalActor, DeterministicActor, GaussianActor, SquashedGaussianActor
from mooring.networks.critics import DiscreteCritic, Ensemble
from mooring.normalizer import Normalizer
from mooring.policies import ActorPolicy, GreedyPolicy
from mooring.testing import check_policy, small_data

KEY = jax.random.key(0)
OBS = jnp.asarray([0.3, -0.8])
FORMS = [DeterministicActor, GaussianActor, SquashedGaussianActor, CategoricalActor]


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.__name__)
def test_every_actor_makes_a_policy(form):
    data = small_data("discrete" if form is CategoricalActor else "continuous")
    normalizer = Normalizer(data.spec(), True)
    check_policy(ActorPolicy(form.of(KEY, 2, normalizer.actions, (8,)), normalizer), data)


def test_an_actor_stands_between_the_two_sides_of_the_normalizer():
    normalizer = Normalizer(small_data("continuous").spec(), True)
    actor = GaussianActor.of(KEY, 2, 2, (8,))
    policy = ActorPolicy(actor, normalizer)
    mode = normalizer.from_unit(actor.mode(normalizer.obs(OBS)))
    sample = normalizer.from_unit(actor.sample(normalizer.obs(OBS), KEY))
    assert jnp.array_equal(policy.act((), OBS, None)[0], mode)
    assert jnp.array_equal(policy.act((), OBS, KEY)[0], sample)


def greedy(epsilon):
    data = small_data("discrete")
    critics = Ensemble.of(KEY, 2, lambda key: DiscreteCritic.of(key, 2, 5, (8,)))
    return GreedyPolicy(critics, Normalizer(data.spec(), True), jnp.asarray(epsilon))


def test_the_greedy_policy_takes_the_best_of_the_mean():
    policy = greedy(0.0)
    q = policy.critics.all(policy.normalizer.obs(OBS))
    assert policy.act((), OBS, None)[0] == np.asarray(q).mean(axis=0).argmax()
    check_policy(policy, small_data("discrete"))


def test_epsilon_is_the_share_of_uniform_actions():
    policy = greedy(0.5)
    check_policy(policy, small_data("discrete"))
    best = int(policy.act((), OBS, None)[0])
    actions = jax.vmap(lambda key: policy.act((), OBS, key)[0])(jax.random.split(KEY, 20_000))
    expected = np.full(5, 0.1) + 0.5 * (np.arange(5) == best)
    np.testing.assert_allclose(np.bincount(actions, minlength=5) / 20_000, expected, atol=0.015)
