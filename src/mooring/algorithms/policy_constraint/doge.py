"""DOGE: TD3 whose actor may leave the data's actions, but not by a greater learned distance than the data's own.

Li, Zhan, Xu, Zhu, Liu and Zhang 2022, "When Data Geometry Meets Deep Function: Generalizing Offline Reinforcement
Learning", arXiv 2205.11027. TD3: Fujimoto, van Hoof and Meger 2018, arXiv 1802.09477.

A network learns how far an action is, on average, from those that the data takes in a state; a Lagrange multiplier
holds the actor's mean distance at that of the data. Departures: none known; the constants of the multiplier, and random
actions from a cube half as wide again as the actions', are those of the published code.
"""

from dataclasses import replace
from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float

from mooring.agents import ActorCritic
from mooring.losses import bellman_loss, smoothed_value
from mooring.networks.actors import DeterministicActor
from mooring.networks.critics import Critic, Ensemble, first_q
from mooring.normalizer import Normalizer
from mooring.policies import ActorPolicy
from mooring.settings import Count, NonNegative, Positive, Unit, Widths
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
    Step,
    delayed,
    static,
)

REACH = 1.5  # random actions lie within this along each dimension: published code
MULTIPLIER_RANGE = (1.0, 100.0)  # published code


class Agent(eqx.Module):
    networks: ActorCritic
    distance: Learner  # g(s, a), in the form of a critic
    multiplier: Float[Array, ""]


class DOGE(Algorithm):
    """TD3 that trusts its critics somewhat beyond the data, as far as the data reaches: for data with gaps."""

    name: ClassVar[str] = "doge"
    actions: ClassVar[tuple[ActionKind, ...]] = ("continuous",)

    alpha: Positive = 7.5  # weight of Q against distance, as in TD3+BC; published code (17.5 for some sets)
    initial_multiplier: Positive = 5.0  # of the distance; published code (1 for antmaze)
    multiplier_rate: NonNegative = 3e-4  # growth of the multiplier for an excess distance of 1; published code
    discount: Unit = 0.99  # gamma; published code (0.995 for antmaze)
    learning_rate: Positive = 3e-4  # of the critics; published code (1e-3 for antmaze)
    actor_learning_rate: Positive = 3e-4  # published code
    distance_learning_rate: Positive = 1e-3  # published code (1e-4 for antmaze)
    target_rate: Unit = 5e-3  # tau; published code
    target_noise: NonNegative = 0.2  # standard deviation of the target policy's noise; published code
    noise_clip: NonNegative = 0.5  # that noise is clipped at; published code
    distance_steps: Count = static(100_000)  # first updates, in which the distance is learned; published code
    random_actions: Count = static(20)  # N, of each row, that the distance is learned from; published code
    actor_delay: Count = static(2)  # critic updates for each update of actor and targets; published code
    batch_size: Count = static(256)  # published code
    hidden: Widths = static((256, 256))  # of actor and critics; published code
    distance_hidden: Widths = static((256, 256, 256))  # published code
    standardize: bool = static(True)  # standardize observations; published code (not for antmaze)

    def init(self, key: PRNGKey, spec: Spec) -> Agent:
        normalizer = Normalizer(spec, self.standardize)
        sizes = normalizer.features, normalizer.actions
        actor_key, critic_key, distance_key = jax.random.split(key, 3)
        actor = DeterministicActor.of(actor_key, *sizes, self.hidden)
        critics = Ensemble.of(critic_key, 2, lambda k: Critic.of(k, *sizes, self.hidden))
        distance = Critic.of(distance_key, *sizes, self.distance_hidden)
        rates = optax.adam(self.actor_learning_rate), optax.adam(self.learning_rate)
        networks = ActorCritic.of(Learner.of(actor, rates[0]), Learner.of(critics, rates[1]), normalizer)
        distance_learner = Learner.of(distance, optax.adam(self.distance_learning_rate))
        return Agent(networks, distance_learner, jnp.asarray(self.initial_multiplier, jnp.float32))

    def update(self, agent: Agent, batch: Batch, key: PRNGKey, step: Step) -> tuple[Agent, Metrics]:
        networks = agent.networks
        batch = networks.normalizer.batch(batch)
        noise_key, random_key = jax.random.split(key)

        targets = networks.target_actor, networks.target_critics
        next_q = smoothed_value(*targets, batch.next_obs, self.target_noise, self.noise_clip, noise_key)
        target = batch.reward + self.discount * batch.continues * next_q
        critics, critic_metrics = networks.critics.descend(
            optax.adam(self.learning_rate), lambda q: bellman_loss(q, batch, target)
        )
        agent = replace(agent, networks=replace(networks, critics=critics))

        def measure(agent: Agent) -> tuple[Agent, Metrics]:
            shape = batch.reward.shape[0], self.random_actions, batch.action.shape[1]
            actions = jax.random.uniform(random_key, shape, minval=-REACH, maxval=REACH)
            distance, metrics = agent.distance.descend(
                optax.adam(self.distance_learning_rate), lambda g: distance_loss(g, batch, actions)
            )
            return replace(agent, distance=distance), metrics

        def improve(agent: Agent) -> tuple[Agent, Metrics]:
            networks, g = agent.networks, agent.distance.model
            excess = excess_distance(networks.actor.model, g, batch)
            multiplier = agent.multiplier * (1 + self.multiplier_rate * excess)
            multiplier = jnp.clip(multiplier, *MULTIPLIER_RANGE)
            actor, metrics = networks.actor.descend(
                optax.adam(self.actor_learning_rate),
                lambda pi: actor_loss(pi, networks.critics.model, g, batch, self.alpha, multiplier),
            )
            networks = networks.improved(actor, self.target_rate)
            return Agent(networks, agent.distance, multiplier), metrics | {"multiplier": multiplier}

        agent, distance_metrics = delayed(step < self.distance_steps, measure, agent)
        agent, actor_metrics = delayed(step % self.actor_delay == 0, improve, agent)
        return agent, critic_metrics | distance_metrics | actor_metrics

    def policy(self, agent: Agent) -> ActorPolicy:
        return ActorPolicy(agent.networks.actor.model, agent.networks.normalizer)


def distance_loss(distance: Critic, batch: Batch, actions: Float[Array, "B M A"]) -> Loss:
    """E[(|a - a'| - g(s, a'))^2], a' random: g's optimum is the mean distance from the data's actions at s."""
    found = jax.vmap(jax.vmap(distance, in_axes=(None, 0)))(batch.obs, actions)
    loss = jnp.mean((jnp.linalg.norm(actions - batch.action[:, None], axis=2) - found) ** 2)
    return loss, {"distance_loss": loss}


def excess_distance(actor: DeterministicActor, distance: Critic, batch: Batch) -> Float[Array, ""]:
    """E[g(s, pi(s)) - g(s, a)]: what the constraint holds at 0 or below."""
    g = jax.vmap(distance)
    return jnp.mean(g(batch.obs, jax.vmap(actor)(batch.obs)) - g(batch.obs, batch.action))


def actor_loss(
    actor: DeterministicActor,
    critics: Ensemble,
    distance: Critic,
    batch: Batch,
    alpha: Scalar,
    multiplier: Float[Array, ""],
) -> Loss:
    """-alpha E[Q1(s, pi(s))] / E|Q1| + lambda E[g(s, pi(s)) - g(s, a)]; the divisor is not differentiated."""
    q = first_q(critics, batch.obs, jax.vmap(actor)(batch.obs))
    excess = excess_distance(actor, distance, batch)
    loss = -alpha * jnp.mean(q) / jax.lax.stop_gradient(jnp.mean(jnp.abs(q))) + multiplier * excess
    return loss, {"actor_loss": loss, "excess_distance": excess}
