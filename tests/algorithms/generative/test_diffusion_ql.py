"""Diffusion-QL: schedule and sampling against DDPM's recursion in float64, each loss, the target, and learning."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mooring.algorithms.generative.diffusion_ql import DiffusionQL, denoising_loss, draw, q_loss
from mooring.networks.diffusion import DiffusionActor, schedule, sinusoids
from mooring.testing import check_learning, quick_compilation, small_data
from mooring.types import Batch
from reference import doubles

DATA = small_data("continuous")
STEPS = 4


def mish(x):
    return x * np.tanh(np.log1p(np.exp(x)))


def net(layers, x):
    for layer in layers[:-1]:
        x = mish(x @ layer.weight + layer.bias)
    return x @ layers[-1].weight + layers[-1].bias


def guess(actor, action, obs, step):
    """The noise that a network sees in rows of actions, all noisy to the same degree."""
    frequency = 10_000.0 ** (-np.arange(8) / 7)
    time = net(actor.time.layers, np.concatenate([np.sin(step * frequency), np.cos(step * frequency)]))
    return net(actor.net.layers, np.concatenate([action, np.tile(time, (len(obs), 1)), obs], axis=1))


def betas():
    """Those of the paper, from the continuous schedule's integral."""
    edges = np.arange(STEPS + 1) / STEPS
    integral = 0.1 * edges + 0.5 * 9.9 * edges**2
    return 1 - np.exp(-np.diff(integral))


def sampled(actor, obs, keys):
    """DDPM, eqs. 6 and 7: the posterior of the step before, given the clean action that the network implies."""
    beta = betas()
    kept = np.cumprod(1 - beta)
    split = [jax.random.split(key) for key in keys]
    action = np.stack([np.asarray(jax.random.normal(first, (2,)), np.float64) for first, _ in split])
    for step in reversed(range(STEPS)):
        noise = guess(actor, action, obs, step)
        clean = np.clip((action - np.sqrt(1 - kept[step]) * noise) / np.sqrt(kept[step]), -1, 1)
        if step == 0:
            return np.clip(clean, -1, 1)
        before = kept[step - 1]
        mean = np.sqrt(before) * beta[step] * clean + np.sqrt(1 - beta[step]) * (1 - before) * action
        fresh = np.stack([np.asarray(jax.random.normal(jax.random.fold_in(key, step), (2,))) for _, key in split])
        action = mean / (1 - kept[step]) + np.sqrt(beta[step] * (1 - before) / (1 - kept[step])) * fresh
    raise AssertionError("the first step returns")


@pytest.fixture(scope="module")
def actor():
    return DiffusionActor.of(jax.random.key(0), 3, 2, (8, 8), STEPS)


@pytest.fixture(scope="module")
def obs():
    return jax.random.normal(jax.random.key(1), (6, 3))


def test_the_schedule_adds_up():
    plan, kept = schedule(STEPS), np.cumprod(1 - betas())
    np.testing.assert_allclose(plan.kept, kept, rtol=1e-6)
    assert plan.spread[0] == 0
    assert plan.clean_weight[0] == pytest.approx(1)
    # what was noisy to degree i is, one step on, noisy to degree i - 1: its mean and its variance
    mean = plan.clean_weight[1:] + plan.noisy_weight[1:] * np.sqrt(kept[1:])
    np.testing.assert_allclose(mean, np.sqrt(kept[:-1]), rtol=1e-5)
    variance = plan.noisy_weight[1:] ** 2 * (1 - kept[1:]) + plan.spread[1:] ** 2
    np.testing.assert_allclose(variance, 1 - kept[:-1], rtol=1e-5)


def test_steps_are_told_apart():
    seen = np.stack([sinusoids(jnp.asarray(step)) for step in range(5)])
    np.testing.assert_allclose(seen[:, 0], np.sin(np.arange(5)), atol=1e-6)
    assert np.linalg.norm(seen[1:] - seen[:-1], axis=1).min() > 0.5


def test_sampling_is_ddpms_recursion(actor, obs):
    keys = jax.random.split(jax.random.key(2), 6)
    found = jax.vmap(actor.sample)(obs, keys)
    np.testing.assert_allclose(found, sampled(doubles(actor), *doubles((obs,)), keys), atol=2e-5)


class Knows(DiffusionActor):
    """Of data that is one action alone, the noise is known."""

    def noise(self, action, obs, step):
        kept = jnp.asarray(schedule(self.steps).kept)[step]
        return (action - jnp.sqrt(kept) * jnp.asarray([0.3, -0.8])) / jnp.sqrt(1 - kept)


def test_who_knows_the_noise_finds_the_action(actor, obs):
    found = draw(Knows(actor.time, actor.net, STEPS), obs, jax.random.key(3))
    np.testing.assert_allclose(found, np.tile([0.3, -0.8], (6, 1)), atol=1e-5)


def test_the_cloning_loss(actor, obs):
    action = jnp.tanh(jax.random.normal(jax.random.key(4), (6, 2)))
    key = jax.random.key(5)
    loss = denoising_loss(actor, Batch(obs, action, jnp.zeros(6), obs, jnp.ones(6)), key)
    step_key, noise_key = jax.random.split(key)
    steps = np.asarray(jax.random.randint(step_key, (6,), 0, STEPS))
    assert len(set(steps)) > 1
    noise, kept = np.asarray(jax.random.normal(noise_key, (6, 2)), np.float64), np.cumprod(1 - betas())[steps, None]
    noisy = np.sqrt(kept) * doubles(action) + np.sqrt(1 - kept) * noise
    rows = [guess(doubles(actor), noisy[[i]], doubles(obs)[[i]], steps[i])[0] for i in range(6)]
    assert loss == pytest.approx(np.mean((np.stack(rows) - noise) ** 2), rel=1e-5)


def test_one_critic_pulls_and_the_other_scales():
    q = jnp.asarray([[1.0, -3.0], [4.0, 0.0]])
    assert q_loss(q, jnp.asarray(True)) == pytest.approx(1 / 2)
    assert q_loss(q, jnp.asarray(False)) == pytest.approx(-2 / 2)
    np.testing.assert_allclose(jax.grad(q_loss)(q, jnp.asarray(True)), [[-0.25, -0.25], [0, 0]])


def begun(algorithm, seed):
    with quick_compilation():
        return jax.jit(algorithm.init)(jax.random.key(seed), DATA.spec())


@pytest.mark.parametrize("max_backup", [pytest.param(False, marks=pytest.mark.every), True])
def test_the_critics_regress_on_the_papers_target(max_backup):
    small = {"hidden": (8, 8), "batch_size": 16, "diffusion_steps": STEPS, "discount": 0.9, "backup_actions": 3}
    algorithm = DiffusionQL(max_backup=max_backup, **small)
    agent, other = begun(algorithm, 0), begun(algorithm, 1)
    agent = type(agent)(agent.actor, agent.critics, other.target_actor, other.target_critics, agent.normalizer)
    batch, key = algorithm.source(DATA).sample((), jax.random.key(2), 16), jax.random.key(3)
    assert set(np.asarray(batch.continues)) == {0, 1}
    with quick_compilation():
        after, metrics = jax.jit(algorithm.update)(agent, batch, key, jnp.asarray(1_005))

    several = 3 if max_backup else 1
    next_obs = np.repeat(doubles(batch.next_obs), several, axis=0)
    keys = jax.random.split(jax.random.split(key, 4)[0], len(next_obs))
    rows = np.concatenate([next_obs, sampled(doubles(other.target_actor), next_obs, keys)], axis=1)
    members = [jax.tree.map(lambda leaf, i=i: leaf[i], doubles(other.target_critics.members.net)) for i in range(2)]
    q = np.stack([net(each.layers, rows)[:, 0].reshape(16, several).max(axis=1) for each in members])
    target = doubles(batch.reward) + 0.9 * doubles(batch.continues) * q.min(axis=0)
    rows = np.concatenate(doubles((batch.obs, batch.action)), axis=1)
    members = [jax.tree.map(lambda leaf, i=i: leaf[i], doubles(agent.critics.model.members.net)) for i in range(2)]
    loss = sum(np.mean((net(each.layers, rows)[:, 0] - target) ** 2) for each in members)
    assert metrics["critic_loss"] == pytest.approx(loss, rel=1e-4)

    first = lambda actor: np.asarray(actor.net.layers[0].weight, np.float64)
    moved = 0.995 * first(other.target_actor) + 0.005 * first(after.actor.model)
    np.testing.assert_allclose(first(after.target_actor), moved, rtol=1e-5, atol=1e-8)


def test_acting_takes_the_candidate_that_critics_like_best():
    algorithm = DiffusionQL(hidden=(8, 8), candidates=40)
    policy = algorithm.policy(begun(algorithm, 0))
    likes_left = jax.tree.map(jnp.zeros_like, policy.critics)
    weight = likes_left.members.net.layers[0].weight.at[:, 2, 0].set(-20.0)  # of the action's first entry
    last = [layer.weight.at[:, 0, 0].set(20.0) for layer in likes_left.members.net.layers[1:]]
    weights = lambda q: [layer.weight for layer in q.members.net.layers]
    policy = eqx.tree_at(lambda p: p.critics, policy, eqx.tree_at(weights, likes_left, [weight, *last]))
    obs = jnp.zeros(2)
    with quick_compilation():
        greedy = eqx.filter_jit(policy.act)((), obs, None)[0]
    draws = draw(policy.actor, jnp.zeros((40, 2)), jax.random.split(jax.random.key(0))[0])
    assert greedy[0] == pytest.approx(float(jnp.min(draws[:, 0])), abs=1e-6)


@pytest.mark.learning
def test_it_learns_more_than_cloning():
    rates = {"learning_rate": 1e-3, "actor_learning_rate": 1e-3, "average_rate": 0.05, "target_rate": 0.02}
    small = {"hidden": (32, 32), "batch_size": 32, "discount": 0.9, "average_from": 100, "candidates": 10}
    check_learning(DiffusionQL(diffusion_steps=3, **small, **rates), "continuous", 600, progress=0.4)
