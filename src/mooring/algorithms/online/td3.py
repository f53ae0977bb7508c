"""Twin delayed DDPG: a deterministic actor climbs the first of two critics, whose smaller value is the target.

Fujimoto, van Hoof and Meger 2018, "Addressing Function Approximation Error in Actor-Critic Methods", arXiv 1802.09477.

It is meant for a replay buffer that its own policy, with noise, fills, and learns from logged rows as it stands.

Departures: widths, rate and batch are those of the authors' later code (400-300, 1e-3 and 100 in the paper).
"""

from dataclasses import replace
from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float

from mooring.agents import ActorCritic
from mooring.losses import bellman_loss, smoothed_value
from mooring.networks.actors import DeterministicActor, normal_log_density
from mooring.networks.critics import Ensemble, first_q
from mooring.normalizer import Normalizer
from mooring.policies import ActorPolicy
from mooring.settings import Count, NonNegative, Positive, Unit, Widths
from mooring.types import ActionKind, Algorithm, Batch, Loss, Metrics, PRNGKey, Spec, Step, delayed, static


class TD3(Algorithm):
    """Fast and plain for continuous control while a policy may act; on logged data alone it overrates the unseen."""

    name: ClassVar[str] = "td3"
    actions: ClassVar[tuple[ActionKind, ...]] = ("continuous",)

    discount: Unit = 0.99  # gamma; table 3
    learning_rate: Positive = 3e-4  # of actor and critics; published code
    target_rate: Unit = 5e-3  # tau; table 3
    exploration_noise: Positive = 0.1  # standard deviation of the noise of sampled actions; table 3
    target_noise: NonNegative = 0.2  # standard deviation of the target policy's noise; section 6.1
    noise_clip: NonNegative = 0.5  # that noise is clipped at; section 6.1
    actor_delay: Count = static(2)  # critic updates for each update of actor and targets; section 6.1
    batch_size: Count = static(256)  # published code
    hidden: Widths = static((256, 256))  # published code
    standardize: bool = static(False)  # standardize observations; not in the paper

    def init(self, key: PRNGKey, spec: Spec) -> ActorCritic:
        normalizer, rate = Normalizer(spec, self.standardize), optax.adam(self.learning_rate)
        return ActorCritic.fresh(key, normalizer, self.hidden, rate, rate)

    def update(self, agent: ActorCritic, batch: Batch, key: PRNGKey, step: Step) -> tuple[ActorCritic, Metrics]:
        batch = agent.normalizer.batch(batch)
        rate = optax.adam(self.learning_rate)

        targets = agent.target_actor, agent.target_critics
        next_q = smoothed_value(*targets, batch.next_obs, self.target_noise, self.noise_clip, key)
        target = batch.reward + self.discount * batch.continues * next_q
        critics, critic_metrics = agent.critics.descend(rate, lambda q: bellman_loss(q, batch, target))

        agent = replace(agent, critics=critics)

        def improve(agent: ActorCritic) -> tuple[ActorCritic, Metrics]:
            actor, metrics = agent.actor.descend(rate, lambda pi: actor_loss(pi, agent.critics.model, batch))
            return agent.improved(actor, self.target_rate), metrics

        agent, actor_metrics = delayed(step % self.actor_delay == 0, improve, agent)
        return agent, critic_metrics | actor_metrics

    def policy(self, agent: ActorCritic) -> ActorPolicy:
        noise = jnp.asarray(self.exploration_noise, jnp.float32)
        return ActorPolicy(NoisyActor(agent.actor.model, noise), agent.normalizer)


def actor_loss(actor: DeterministicActor, critics: Ensemble, batch: Batch) -> Loss:
    """Algorithm 1: the deterministic policy gradient climbs Q1(s, pi(s)), and so descends its negative."""
    loss = -jnp.mean(first_q(critics, batch.obs, jax.vmap(actor)(batch.obs)))
    return loss, {"actor_loss": loss}


class NoisyActor(eqx.Module):
    """A deterministic actor whose samples get normal noise, clipped to [-1, 1]."""

    actor: Any  # of an observation
    noise: Float[Array, ""]

    def mode(self, obs: Float[Array, " O"]) -> Float[Array, " A"]:
        return self.actor(obs)

    def sample(self, obs: Float[Array, " O"], key: PRNGKey) -> Float[Array, " A"]:
        mode = self.actor(obs)
        return jnp.clip(mode + self.noise * jax.random.normal(key, mode.shape), -1, 1)

    def log_prob(self, obs: Float[Array, " O"], action: Float[Array, " A"]) -> Float[Array, ""]:
        """A density between the bounds, and at a bound the probability of being clipped to it."""
        mode = self.actor(obs)
        clipped = jax.scipy.stats.norm.logcdf((jnp.sign(action) * mode - 1) / self.noise)
        inside = normal_log_density(action, mode, self.noise)
        return jnp.sum(jnp.where(jnp.abs(action) < 1, inside, clipped))
