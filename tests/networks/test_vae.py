"""The conditional autoencoder: both terms of its bound in float64, and the bound itself by numerical integration."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mooring.networks.vae import VAE
from reference import doubles, mlp

WEIGHT = 0.5  # of the KL divergence, so the decoder's variance is WEIGHT / 4


def log_normal(x, mean, std):
    return -0.5 * ((x - mean) / std) ** 2 - np.log(std) - 0.5 * np.log(2 * np.pi)


@pytest.fixture
def vae() -> VAE:
    """A model whose posterior is neither the prior nor a point."""
    model = VAE.of(jax.random.key(0), 3, 1, (16,))
    return jax.tree.map(lambda leaf: 2 * leaf, model)


OBS, ACTION = jnp.array([0.5, -1.0, 2.0]), jnp.array([0.8])


def posterior(vae):
    inputs = np.concatenate([OBS, ACTION]).astype(np.float64)
    mean, log_std = np.split(mlp(doubles(vae.encoder), inputs), 2)
    return mean, np.exp(np.clip(log_std, -4, 15))


def decoded(vae, latent):
    obs = np.broadcast_to(np.asarray(OBS, np.float64), (*latent.shape[:-1], 3))
    return np.tanh(mlp(doubles(vae.decoder), np.concatenate([obs, latent], axis=-1)))


def test_the_divergence_is_that_of_numerical_integration(vae):
    _, divergence = vae.elbo_terms(OBS, ACTION, jax.random.key(1))
    z = np.linspace(-30, 30, 200_001)[:, None]
    mean, std = posterior(vae)
    log_q = log_normal(z, mean, std)
    each = np.trapezoid(np.exp(log_q) * (log_q - log_normal(z, 0, 1)), z, axis=0)
    np.testing.assert_allclose(divergence, each.mean(), rtol=1e-4)


def test_the_error_is_that_of_one_decoded_latent(vae):
    key = jax.random.key(1)
    error, _ = vae.elbo_terms(OBS, ACTION, key)
    mean, std = posterior(vae)
    latent = mean + std * np.asarray(jax.random.normal(key, (2,)), np.float64)
    np.testing.assert_allclose(error, np.mean((decoded(vae, latent) - np.asarray(ACTION)) ** 2), rtol=1e-3)


def test_the_terms_bound_the_density_of_the_action(vae):
    """2 A / B (error + B KL) + constant is the negative bound, and lies above -log p(a|s), integrated over z."""
    keys = jax.random.split(jax.random.key(2), 20_000)
    error, divergence = jax.vmap(lambda key: vae.elbo_terms(OBS, ACTION, key))(keys)
    constant = 0.5 * np.log(2 * np.pi * WEIGHT / 4)
    bound = 2 / WEIGHT * float(jnp.mean(error + WEIGHT * divergence)) + constant

    side = np.linspace(-8, 8, 401)
    grid = np.stack(np.meshgrid(side, side), axis=-1)
    likelihood = np.exp(log_normal(np.asarray(ACTION, np.float64), decoded(vae, grid), np.sqrt(WEIGHT / 4)))[..., 0]
    prior = np.exp(log_normal(grid, 0, 1).sum(-1))
    density = np.trapezoid(np.trapezoid(likelihood * prior, side), side)
    mean, std = posterior(vae)
    log_posterior = np.log(likelihood * prior / density)
    gap = np.exp(log_normal(grid, mean, std).sum(-1)) * (log_normal(grid, mean, std).sum(-1) - log_posterior)
    gap = np.trapezoid(np.trapezoid(gap, side), side)  # of q from the true posterior
    assert gap > 0.01
    np.testing.assert_allclose(bound, -np.log(density) + gap, rtol=0.02, atol=0.02)


def test_the_latent_vector_is_twice_as_long_as_an_action():
    model = VAE.of(jax.random.key(0), 5, 3, (8,))
    assert model.latent == 6
    action = model.decode(jnp.ones(5), 100 * jnp.ones(6))
    assert action.shape == (3,)
    assert float(jnp.max(jnp.abs(action))) <= 1
