"""BCQ: Q-learning over actions that a generative model of the data proposes, each moved a little to be better.

Fujimoto, Meger and Precup 2019, "Off-Policy Deep Reinforcement Learning without Exploration", arXiv 1812.02900,
algorithm 1.

A variational autoencoder learns what actions the data takes, a perturbation network moves them, and the best of several
is taken: in the target, and by the policy. Without a key, the policy's proposals are the same at each call. Where
observations are far from size 1, `standardize` them: else the autoencoder may take all actions of a state for one (its
metric `kl` falls to 0). Departures: none known; the weight of its divergence is that of the published code.
"""

from dataclasses import replace
from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float

from mooring.agents import ActorCritic
from mooring.algorithms.imitation.bc_vae import vae_loss
from mooring.losses import bellman_loss, many_actions, q_of_many, soft_clipped
from mooring.networks.critics import Critic, Ensemble, first_q
from mooring.networks.mlp import MLP
from mooring.networks.vae import VAE
from mooring.normalizer import Normalizer
from mooring.policies import BestOfMany
from mooring.settings import Count, NonNegative, Positive, Unit, Widths
from mooring.types import ActionKind, Algorithm, Batch, Learner, Loss, Metrics, PRNGKey, Scalar, Spec, Step, static


class Perturbation(eqx.Module):
    """xi: moves an action within [-1, 1], by at most a given size along each dimension."""

    net: MLP

    def __call__(self, obs: Float[Array, " O"], action: Float[Array, " A"], size: Scalar) -> Float[Array, " A"]:
        return jnp.clip(action + size * jnp.tanh(self.net(jnp.concatenate([obs, action]))), -1, 1)


class Proposer(eqx.Module):
    """What BCQ chooses from: actions like the data's, moved."""

    vae: VAE
    perturbation: Perturbation
    size: Any

    def sample(self, obs: Float[Array, " O"], key: PRNGKey) -> Float[Array, " A"]:
        return self.perturbation(obs, self.vae.sample(obs, key), self.size)


class Agent(eqx.Module):
    vae: Learner
    networks: ActorCritic  # its actor is the perturbation


class BCQ(Algorithm):
    """Picks the best of actions like the data's: the first deep method made for logged data, safe where it is good."""

    name: ClassVar[str] = "bcq"
    actions: ClassVar[tuple[ActionKind, ...]] = ("continuous",)

    perturbation: NonNegative = 0.05  # phi: how far an action may be moved, of a range from -1 to 1; published code
    smallest_share: Unit = 0.75  # lambda: weight of the smaller critic in the target, of the larger the rest; table
    kl_weight: NonNegative = 0.5  # of the autoencoder's divergence from its prior; published code
    discount: Unit = 0.99  # gamma; published code
    learning_rate: Positive = 1e-3  # of all networks; published code
    target_rate: Unit = 5e-3  # tau; published code
    target_samples: Count = static(10)  # n, actions that the target's maximum is over; published code
    policy_samples: Count = static(100)  # actions that the policy chooses from; published code
    batch_size: Count = static(100)  # published code
    hidden: Widths = static((400, 300))  # of critics and perturbation; published code
    vae_hidden: Widths = static((750, 750))  # of encoder and decoder; published code
    standardize: bool = static(False)  # standardize observations; published code

    def init(self, key: PRNGKey, spec: Spec) -> Agent:
        normalizer = Normalizer(spec, self.standardize)
        sizes = normalizer.features, normalizer.actions
        vae_key, actor_key, critic_key = jax.random.split(key, 3)
        actor = Perturbation(MLP.of(actor_key, sum(sizes), self.hidden, normalizer.actions))
        critics = Ensemble.of(critic_key, 2, lambda k: Critic.of(k, *sizes, self.hidden))
        rate = optax.adam(self.learning_rate)
        networks = ActorCritic.of(Learner.of(actor, rate), Learner.of(critics, rate), normalizer)
        return Agent(Learner.of(VAE.of(vae_key, *sizes, self.vae_hidden), rate), networks)

    def update(self, agent: Agent, batch: Batch, key: PRNGKey, step: Step) -> tuple[Agent, Metrics]:
        networks = agent.networks
        batch = networks.normalizer.batch(batch)
        rate = optax.adam(self.learning_rate)
        vae_key, next_key, actor_key = jax.random.split(key, 3)

        vae, vae_metrics = agent.vae.descend(rate, lambda model: vae_loss(model, batch, self.kl_weight, vae_key))

        proposer = Proposer(vae.model, networks.target_actor, self.perturbation)
        next_actions = many_actions(proposer, batch.next_obs, self.target_samples, next_key)
        next_q = soft_clipped(q_of_many(networks.target_critics, batch.next_obs, next_actions), self.smallest_share)
        target = batch.reward + self.discount * batch.continues * jnp.max(next_q, axis=1)
        critics, critic_metrics = networks.critics.descend(rate, lambda q: bellman_loss(q, batch, target))

        actor, actor_metrics = networks.actor.descend(
            rate,
            lambda xi: proposer_loss(Proposer(vae.model, xi, self.perturbation), critics.model, batch.obs, actor_key),
        )
        networks = replace(networks, critics=critics).improved(actor, self.target_rate)
        return Agent(vae, networks), vae_metrics | critic_metrics | actor_metrics

    def policy(self, agent: Agent) -> BestOfMany:
        networks = agent.networks
        proposer = Proposer(agent.vae.model, networks.actor.model, jnp.asarray(self.perturbation, jnp.float32))
        return BestOfMany(proposer, networks.critics.model, networks.normalizer, self.policy_samples)


def proposer_loss(proposer: Proposer, critics: Ensemble, obs: Float[Array, "B O"], key: PRNGKey) -> Loss:
    """-E[Q1(s, a + xi(s, a))], a from the autoencoder: the deterministic policy gradient of the perturbation."""
    loss = -jnp.mean(first_q(critics, obs, many_actions(proposer, obs, 1, key)[:, 0]))
    return loss, {"actor_loss": loss}
