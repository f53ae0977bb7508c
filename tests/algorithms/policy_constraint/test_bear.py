"""BEAR: the discrepancy and one whole update against float64 NumPy, the multiplier, the warm start, learning."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mooring.algorithms.policy_constraint.bear import BEAR, mmd
from mooring.testing import check_learning, quick_compilation, small_data
from reference import adam, after_updates, assert_same, critics, doubles, gradient, mlp, next_update, normals

DATA = small_data("continuous")
ALGORITHM = BEAR(
    hidden=(4,),
    vae_hidden=(5,),
    batch_size=64,
    bandwidth=0.3,
    threshold=0.2,
    smallest_share=0.6,
    match_samples=3,
    target_samples=2,
    warm_steps=1,
    learning_rate=1e-2,
    actor_learning_rate=2e-2,
    multiplier_learning_rate=3e-2,
    target_rate=0.1,
    discount=0.9,
)
KERNELS = {"laplacian": np.abs, "gaussian": np.square}


def numpy_mmd(x, y, bandwidth, kernel):
    """Pair by pair."""
    k = lambda a, b: np.exp(-KERNELS[kernel](a - b).sum() / (2 * bandwidth))
    mean = lambda some, others: np.mean([[k(a, b) for b in others] for a in some])
    return np.sqrt(mean(x, x) - 2 * mean(x, y) + mean(y, y) + 1e-6)


@pytest.mark.parametrize("kernel", KERNELS)
def test_the_discrepancy(kernel):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(4, 2)), rng.normal(1.0, 0.5, size=(5, 2))
    found = mmd(jnp.asarray(x, jnp.float32), jnp.asarray(y, jnp.float32), 0.7, kernel)
    np.testing.assert_allclose(found, numpy_mmd(x, y, 0.7, kernel), rtol=1e-5)
    np.testing.assert_allclose(mmd(jnp.ones((3, 2)), jnp.ones((4, 2)), 0.7, kernel), 1e-3, rtol=1e-2)


def test_the_discrepancy_sees_the_support_and_a_mean_does_not():
    """Half of the actions at each end are like half at each end, and unlike all of them in the middle."""
    ends, middle = jnp.array([[-1.0], [1.0], [-1.0], [1.0]]), jnp.zeros((4, 1))
    assert mmd(ends, ends[:2], 1.0, "gaussian") < 0.01 < 0.3 < mmd(ends, middle, 1.0, "gaussian")


def moments(actor, obs):
    mean, log_std = np.split(mlp(actor.net, obs), 2, axis=1)
    return mean, np.exp(np.clip(log_std, -20, 2))


@pytest.mark.parametrize(("kernel", "step"), [("laplacian", 4), ("gaussian", 0)])
def test_an_update_is_that_of_the_paper(kernel, step):
    """At step 0 the actor does not see the critics yet."""
    algorithm = replace(ALGORITHM, kernel=kernel)
    with quick_compilation():
        key = jax.random.key(5)
        agent, batch, found, metrics = next_update(algorithm, DATA, 4, key, step=step)
        _, next_key, actor_key = jax.random.split(key, 3)
        data_key, own_key = jax.random.split(actor_key)
        next_noise = [normals(keys, 2) for keys in jax.random.split(next_key, (64, 2)).T]
        latent = np.clip(normals(jax.random.split(data_key, (64, 3)), 4), -0.5, 0.5)
        own_noise = np.clip(np.asarray(jax.random.normal(own_key, (64, 3, 2)), np.float64), -0.5, 0.5)
    obs, action, reward, next_obs, continues = doubles(
        (batch.obs, batch.action, batch.reward, batch.next_obs, batch.continues)
    )
    assert set(continues) == {0, 1}
    old, vae = agent.networks, doubles(found.vae.model)  # its own step is BCQ's, and tested there

    each = []
    for noise in next_noise:
        mean, std = moments(doubles(old.target_actor), next_obs)
        q = critics(doubles(old.target_critics), next_obs, np.tanh(mean + std * noise))
        each.append(0.6 * q.min(axis=0) + 0.4 * q.max(axis=0))
    target = reward + 0.9 * continues * np.max(each, axis=0)
    bellman = lambda model: ((critics(model, obs, action) - target) ** 2).mean(axis=1).sum()
    new_critics = adam(old.critics, gradient(bellman, doubles(old.critics.model)), 1e-2)
    assert_same(found.networks.critics.model, new_critics)

    data = np.stack([mlp(vae.decoder, np.concatenate([obs, latent[:, j]], axis=1)) for j in range(3)], axis=1)

    def own(actor):
        mean, std = moments(actor, obs)
        return mean[:, None] + std[:, None] * own_noise

    def discrepancy(actor):
        return np.mean([numpy_mmd(x, y, 0.3, kernel) for x, y in zip(data, own(actor), strict=True)])

    multiplier = np.exp(np.float64(agent.log_multiplier.model))

    def loss(actor):
        q = np.mean([critics(new_critics, obs, np.tanh(own(actor)[:, j])) for j in range(3)], axis=0).min(axis=0)
        return multiplier * discrepancy(actor) - (step >= 1) * q.mean()

    before = doubles(old.actor.model)
    excess = discrepancy(before) - 0.2
    assert metrics["mmd"] == pytest.approx(excess + 0.2, rel=1e-4)
    new_actor = adam(old.actor, gradient(loss, before), 2e-2)
    assert_same(found.networks.actor.model, new_actor, tolerance=1e-5)
    assert_same(found.log_multiplier.model, adam(agent.log_multiplier, np.float64(-multiplier * excess), 3e-2))
    slow = lambda target, model: 0.9 * target + 0.1 * model
    assert_same(found.networks.target_actor, jax.tree.map(slow, doubles(old.target_actor), new_actor), 1e-5)
    assert_same(found.networks.target_critics, jax.tree.map(slow, doubles(old.target_critics), new_critics))


@pytest.mark.parametrize(("threshold", "sign"), [(1e-4, 1), (100.0, -1)])
def test_the_multiplier_grows_only_above_the_threshold(threshold, sign):
    with quick_compilation():
        agent, _ = after_updates(replace(ALGORITHM, threshold=threshold), DATA, 3)
    np.testing.assert_allclose(agent.log_multiplier.model, sign * 0.09, rtol=0.1)  # three steps of Adam at 3e-2


@pytest.mark.every
@pytest.mark.learning
def test_it_learns_more_than_cloning():
    sizes = {"hidden": (32, 32), "vae_hidden": (32, 32), "batch_size": 64, "target_samples": 5}
    algorithm = BEAR(**sizes, kl_weight=0.02, threshold=0.3, bandwidth=1.0, warm_steps=100, discount=0.9)
    check_learning(algorithm, "continuous", 800, progress=0.5)
