"""ReBRAC: TD3+BC with a cloning penalty on the actor and another on the critics' target, and today's networks.

Tarasov, Kurenkov, Nikulin and Kolesnikov 2023, "Revisiting the Minimalist Approach to Offline Reinforcement Learning",
arXiv 2305.09836. TD3: Fujimoto, van Hoof and Meger 2018, arXiv 1802.09477.

As in the published code, the actor climbs the smaller critic, divided by its scale as in TD3+BC, and both penalties are
sums over action dimensions. Departures: layers are normalized before their activation, there after it; where the log of
an episode is cut, its last action stands for the next one, which is not known.
"""

from dataclasses import replace
from typing import ClassVar

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float

from mooring.agents import ActorCritic
from mooring.losses import bellman_loss, smoothed
from mooring.networks.actors import DeterministicActor
from mooring.networks.critics import Critic, Ensemble, smallest_q
from mooring.networks.mlp import biased, uniform_within
from mooring.normalizer import Normalizer
from mooring.policies import ActorPolicy
from mooring.settings import Count, NonNegative, Positive, Unit, Widths
from mooring.types import (
    NEXT_ACTION,
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


class ReBRAC(Algorithm):
    """TD3+BC grown up: two penalties and normalized critics; among the best, where both penalties can be tuned."""

    name: ClassVar[str] = "rebrac"
    actions: ClassVar[tuple[ActionKind, ...]] = ("continuous",)
    columns: ClassVar[tuple[str, ...]] = (NEXT_ACTION,)

    actor_penalty: NonNegative = 0.01  # beta_1, of the actor's cloning; published code for many sets (0.001 to 0.1)
    critic_penalty: NonNegative = 0.01  # beta_2, of the target's action; published code for many sets (0 to 0.5)
    discount: Unit = 0.99  # gamma; published code (0.999 for antmaze)
    learning_rate: Positive = 1e-3  # of the critics; published code (3e-4 for adroit, 5e-5 for antmaze)
    actor_learning_rate: Positive = 1e-3  # published code (3e-4 for adroit and antmaze)
    target_rate: Unit = 5e-3  # tau; published code
    target_noise: NonNegative = 0.2  # standard deviation of the target policy's noise; published code
    noise_clip: NonNegative = 0.5  # that noise is clipped at; published code
    actor_delay: Count = static(2)  # critic updates for each update of actor and targets; published code
    batch_size: Count = static(1024)  # published code (256 for adroit and antmaze)
    hidden: Widths = static((256, 256, 256))  # published code
    standardize: bool = static(False)  # standardize observations; published code

    def init(self, key: PRNGKey, spec: Spec) -> ActorCritic:
        normalizer = Normalizer(spec, self.standardize)
        sizes = (normalizer.features, normalizer.actions, self.hidden)
        actor_key, critic_key = jax.random.split(key)
        initial, last = biased(0.1), (uniform_within(1e-3), uniform_within(3e-3))  # published code
        actor = DeterministicActor.of(actor_key, *sizes, initial=initial, last=last[0])
        make_critic = lambda k: Critic.of(k, *sizes, initial=initial, last=last[1], layer_norm=True)
        critics = Ensemble.of(critic_key, 2, make_critic)
        rates = optax.adam(self.actor_learning_rate), optax.adam(self.learning_rate)
        return ActorCritic.of(Learner.of(actor, rates[0]), Learner.of(critics, rates[1]), normalizer)

    def update(self, agent: ActorCritic, batch: Batch, key: PRNGKey, step: Step) -> tuple[ActorCritic, Metrics]:
        batch = agent.normalizer.batch(batch)

        next_action = jax.vmap(agent.target_actor)(batch.next_obs)
        next_action = smoothed(next_action, self.target_noise, self.noise_clip, key)
        next_q = smallest_q(agent.target_critics, batch.next_obs, next_action)
        next_q = next_q - self.critic_penalty * squared_distance(next_action, batch[NEXT_ACTION])
        target = batch.reward + self.discount * batch.continues * next_q
        critics, critic_metrics = agent.critics.descend(
            optax.adam(self.learning_rate), lambda q: bellman_loss(q, batch, target)
        )
        agent = replace(agent, critics=critics)

        def improve(agent: ActorCritic) -> tuple[ActorCritic, Metrics]:
            actor, metrics = agent.actor.descend(
                optax.adam(self.actor_learning_rate),
                lambda pi: actor_loss(pi, agent.critics.model, batch, self.actor_penalty),
            )
            return agent.improved(actor, self.target_rate), metrics

        agent, actor_metrics = delayed(step % self.actor_delay == 0, improve, agent)
        return agent, critic_metrics | actor_metrics

    def policy(self, agent: ActorCritic) -> ActorPolicy:
        return ActorPolicy(agent.actor.model, agent.normalizer)


def actor_loss(actor: DeterministicActor, critics: Ensemble, batch: Batch, penalty: Scalar) -> Loss:
    """E[beta_1 |pi(s) - a|^2] - E[min_j Q_j(s, pi(s))] / E|min_j Q_j|; the divisor is not differentiated."""
    action = jax.vmap(actor)(batch.obs)
    q = smallest_q(critics, batch.obs, action)
    scale = jax.lax.stop_gradient(jnp.mean(jnp.abs(q)))
    cloning = jnp.mean(squared_distance(action, batch.action))
    loss = penalty * cloning - jnp.mean(q) / scale
    return loss, {"actor_loss": loss, "cloning_loss": cloning}


def squared_distance(action: Float[Array, "B A"], other: Float[Array, "B A"]) -> Float[Array, " B"]:
    """|a - b|^2, summed over action dimensions."""
    return jnp.sum((action - other) ** 2, axis=1)
