"""SPOT: TD3 whose actor stays where a density model of the data's actions says that there is support.

Wu, Wu, Qiu, Wang and Long 2022, "Supported Policy Optimization for Offline Reinforcement Learning", arXiv 2202.06239.
TD3: Fujimoto, van Hoof and Meger 2018, arXiv 1802.09477.

A variational autoencoder is trained first, as a stage; then the actor pays for -log density, by the bound that the
autoencoder gives. The paper's cooling, by which lambda falls in a straight line while the policy acts, is fine-tuning
with `--anneal density_weight=VALUE` (in Python `anneal={"density_weight": VALUE}`).

Departures: none known offline; the cooling ends with the last update, and does not stay at its end for a while.
"""

from dataclasses import replace
from typing import ClassVar

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float

from mooring.agents import ActorCritic
from mooring.algorithms.imitation.bc_vae import VAECloning
from mooring.losses import bellman_loss, smoothed
from mooring.networks.actors import DeterministicActor
from mooring.networks.critics import Critic, Ensemble, first_q, smallest_q
from mooring.networks.mlp import uniform_within
from mooring.networks.vae import VAE
from mooring.normalizer import Normalizer
from mooring.policies import ActorPolicy
from mooring.settings import Count, Dropout, NonNegative, Positive, Unit, Widths
from mooring.types import (
    ActionKind,
    Algorithm,
    Batch,
    Learner,
    Loss,
    Metrics,
    PRNGKey,
    Scalar,
    Spec,
    Stage,
    Step,
    delayed,
    static,
    trained,
)


class SPOT(Algorithm):
    """TD3 that pays for leaving the data's support, not for leaving the data's mean action."""

    name: ClassVar[str] = "spot"
    actions: ClassVar[tuple[ActionKind, ...]] = ("continuous",)

    density: VAE | None = None  # left behind by the stage
    density_weight: NonNegative = 0.1  # lambda; published code for hopper (0.025 to 1 elsewhere)
    kl_weight: NonNegative = 0.5  # of the autoencoder's divergence from its prior; published code
    dropout: Dropout = 0.1  # share of the actor's hidden units that are dropped while training; published code
    discount: Unit = 0.99  # gamma; published code
    learning_rate: Positive = 3e-4  # of the critics; published code
    actor_learning_rate: Positive = 3e-4  # published code (1e-4 for antmaze)
    target_rate: Unit = 5e-3  # tau; published code
    target_noise: NonNegative = 0.2  # standard deviation of the target policy's noise; published code
    noise_clip: NonNegative = 0.5  # that noise is clipped at; published code
    density_learning_rate: Positive = 1e-3  # of the autoencoder; published code
    density_steps: Count = static(100_000)  # updates of the autoencoder; published code
    density_hidden: Widths = static((750, 750))  # of the autoencoder; published code
    actor_delay: Count = static(2)  # critic updates for each update of actor and targets; published code
    batch_size: Count = static(256)  # published code
    hidden: Widths = static((256, 256))  # published code
    small_start: bool = static(False)  # begin with last layers near zero; published code for antmaze
    standardize: bool = static(True)  # standardize observations; published code (not for antmaze)

    def stages(self) -> tuple[Stage, ...]:
        cloning = VAECloning(
            kl_weight=self.kl_weight,
            learning_rate=self.density_learning_rate,
            batch_size=self.batch_size,
            hidden=self.density_hidden,
            standardize=self.standardize,
        )
        return (Stage("density", cloning, self.density_steps),)

    def init(self, key: PRNGKey, spec: Spec) -> ActorCritic:
        normalizer = Normalizer(spec, self.standardize)
        sizes = (normalizer.features, normalizer.actions, self.hidden)
        actor_key, critic_key = jax.random.split(key)
        last = (uniform_within(1e-3), uniform_within(3e-3)) if self.small_start else (None, None)
        actor = DeterministicActor.of(actor_key, *sizes, last=last[0])
        critics = Ensemble.of(critic_key, 2, lambda k: Critic.of(k, *sizes, last=last[1]))
        rates = optax.adam(self.actor_learning_rate), optax.adam(self.learning_rate)
        return ActorCritic.of(Learner.of(actor, rates[0]), Learner.of(critics, rates[1]), normalizer)

    def update(self, agent: ActorCritic, batch: Batch, key: PRNGKey, step: Step) -> tuple[ActorCritic, Metrics]:
        batch = agent.normalizer.batch(batch)
        next_key, noise_key, actor_key = jax.random.split(key, 3)

        next_action = dropped_actions(agent.target_actor, batch.next_obs, self.dropout, next_key)
        next_action = smoothed(next_action, self.target_noise, self.noise_clip, noise_key)
        next_q = smallest_q(agent.target_critics, batch.next_obs, next_action)
        target = batch.reward + self.discount * batch.continues * next_q
        critics, critic_metrics = agent.critics.descend(
            optax.adam(self.learning_rate), lambda q: bellman_loss(q, batch, target)
        )
        agent = replace(agent, critics=critics)

        def improve(agent: ActorCritic) -> tuple[ActorCritic, Metrics]:
            actor, metrics = agent.actor.descend(
                optax.adam(self.actor_learning_rate), lambda pi: self.actor_loss(pi, agent, batch, actor_key)
            )
            return agent.improved(actor, self.target_rate), metrics

        agent, actor_metrics = delayed(step % self.actor_delay == 0, improve, agent)
        return agent, critic_metrics | actor_metrics

    def actor_loss(self, actor: DeterministicActor, agent: ActorCritic, batch: Batch, key: PRNGKey) -> Loss:
        action_key, density_key = jax.random.split(key)
        action = dropped_actions(actor, batch.obs, self.dropout, action_key)
        q = first_q(agent.critics.model, batch.obs, action)
        density = trained(self.density, "SPOT.density")
        rarity = negative_log_density(density, batch.obs, action, self.kl_weight, density_key)
        return support_loss(q, rarity, self.density_weight)

    def policy(self, agent: ActorCritic) -> ActorPolicy:
        return ActorPolicy(agent.actor.model, agent.normalizer)


def dropped_actions(
    actor: DeterministicActor, obs: Float[Array, "B O"], dropout: Scalar, key: PRNGKey
) -> Float[Array, "B A"]:
    """The actor's action for each row, with hidden units dropped."""
    keys = jax.random.split(key, obs.shape[0])
    return jax.vmap(actor.with_dropout, in_axes=(0, None, 0))(obs, dropout, keys)


def negative_log_density(
    vae: VAE,
    obs: Float[Array, "B O"],
    action: Float[Array, "B A"],
    kl_weight: Scalar,
    key: PRNGKey,
) -> Float[Array, " B"]:
    """The bound on -log density of each action, from one latent sample, at the scale of `VAE.elbo_terms`."""
    error, divergence = jax.vmap(vae.elbo_terms)(obs, action, jax.random.split(key, obs.shape[0]))
    return error + kl_weight * divergence


def support_loss(q: Float[Array, " B"], rarity: Float[Array, " B"], weight: Scalar) -> Loss:
    """-E[Q] / E|Q| + lambda E[-log density], where E|Q| is not differentiated (as in TD3+BC)."""
    loss = -jnp.mean(q) / jax.lax.stop_gradient(jnp.mean(jnp.abs(q))) + weight * jnp.mean(rarity)
    return loss, {"actor_loss": loss, "rarity": jnp.mean(rarity)}
