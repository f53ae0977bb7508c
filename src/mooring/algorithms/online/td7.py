"""TD7: TD3 on learned embeddings of state and action, with priorities, clipped targets and copies in place of averages.

Fujimoto, Chang, Smith, Gu, Precup and Meger 2023, "For SALE: State-Action Representation Learning for Deep
Reinforcement Learning", arXiv 2306.02451. TD3: Fujimoto, van Hoof and Meger 2018, arXiv 1802.09477. LAP: Fujimoto,
Meger and Precup 2020, arXiv 2007.06049.

It learns from logged data with a cloning term, and online without, where the policy is the one whose worst episode was
best: `mooring finetune RUN --set cloning_weight=0 --set judged_episodes=20 --offline-share 0`.

Departures: learning goes on while a policy is judged, there it is put off; rows that terminate are left out of the
embeddings' loss; new rows begin with the largest priority ever, there the largest at the last copy or since.
"""

from dataclasses import replace
from functools import partial
from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Bool, Float

from mooring.algorithms.online.td3 import NoisyActor
from mooring.data.dataset import Dataset
from mooring.losses import huber, smoothed
from mooring.networks.critics import Ensemble
from mooring.networks.sale import EmbeddedActor, Embedder, SALEActor, SALECritic, embedded_q, sale_loss
from mooring.normalizer import Normalizer
from mooring.policies import ActorPolicy
from mooring.settings import Count, NonNegative, Positive, Unit, Widths
from mooring.sources import Prioritized, PrioritizedReplay, Replay
from mooring.types import (
    ActionKind,
    Algorithm,
    Batch,
    Checkpoints,
    Learner,
    Loss,
    Metrics,
    PRNGKey,
    Scalar,
    Source,
    Spec,
    Step,
    delayed,
    static,
)


class Targets(eqx.Module):
    embedder: Embedder
    actor: SALEActor
    critics: Ensemble


class Agent(eqx.Module):
    embedder: Learner  # the newest, which nothing sees before it is fixed
    actor: Learner
    critics: Learner
    fixed: Embedder  # that actor and critics see by
    target: Targets
    seen: Float[Array, "2"]  # the least and the largest target so far
    allowed: Float[Array, "2"]  # between which the next state's value is
    acting: EmbeddedActor  # what is being judged
    best: EmbeddedActor  # what was judged best
    normalizer: Normalizer


class TD7(Algorithm):
    """TD3 that sees what a state and an action lead to: strong online and from good data, at several times the cost."""

    name: ClassVar[str] = "td7"
    actions: ClassVar[tuple[ActionKind, ...]] = ("continuous",)

    cloning_weight: NonNegative = 0.1  # lambda, against Q at mean size 1; table 3 (0 online)
    discount: Unit = 0.99  # gamma; table 3
    learning_rate: Positive = 3e-4  # of embeddings, actor and critics; table 3
    exploration_noise: Positive = 0.1  # standard deviation of the noise of sampled actions; table 3
    target_noise: NonNegative = 0.2  # standard deviation of the target policy's noise; table 3
    noise_clip: NonNegative = 0.5  # that noise is clipped at; table 3
    actor_delay: Count = static(2)  # critic updates for each update of the actor; table 3
    target_period: Count = static(250)  # updates between two copies to targets and fixed embeddings; table 3
    embedding: Count = static(256)  # length of an embedding; table 3
    batch_size: Count = static(256)  # table 3
    judged_episodes: Count | None = static(None)  # that judge a policy online; none keeps none; table 3 has 20
    judged_since: Count = static(750_000)  # steps online before which one episode is enough; table 3
    forgotten: Unit = 0.9  # what the best policy's worst return is multiplied by at that time; table 3
    hidden: Widths = static((256, 256))  # of actor and critics, behind a first layer as wide; table 3
    embedding_hidden: Widths = static((256, 256))  # table 3
    standardize: bool = static(False)  # standardize observations; published code

    def source(self, data: Dataset) -> Prioritized:
        """By LAP's priorities, whose power is 0.4 and whose least error is 1 (table 3), which is Huber's knee too."""
        return Prioritized.of(data, self.columns)

    def online_source(self, logged: Source, lived: Replay, share: float) -> Source:
        """By priorities within the log and within the replay buffer."""
        return super().online_source(logged, PrioritizedReplay.over(lived), share)

    def init(self, key: PRNGKey, spec: Spec) -> Agent:
        normalizer, rate = Normalizer(spec, self.standardize), optax.adam(self.learning_rate)
        sizes = normalizer.features, normalizer.actions, self.embedding
        embedder_key, actor_key, critic_key = jax.random.split(key, 3)
        embedder = Embedder.of(embedder_key, *sizes, self.embedding_hidden)
        actor = SALEActor.of(actor_key, *sizes, self.hidden)
        critics = Ensemble.of(critic_key, 2, lambda k: SALECritic.of(k, *sizes, self.hidden))
        learners = Learner.of(embedder, rate), Learner.of(actor, rate), Learner.of(critics, rate)
        seen = jnp.asarray([jnp.inf, -jnp.inf])
        kept = EmbeddedActor(embedder.state, actor)
        targets = Targets(embedder, actor, critics)
        return Agent(*learners, embedder, targets, seen, jnp.zeros(2), kept, kept, normalizer)

    def adopt(self, other: Algorithm, agent: Agent, key: PRNGKey, spec: Spec) -> Agent:
        """What was kept, or else trained last, acts first and is the best so far."""
        agent = super().adopt(other, agent, key, spec)
        first = agent.best if isinstance(other, TD7) and other.judged_episodes else newest(agent)
        return replace(agent, acting=first, best=first)

    def update(self, agent: Agent, batch: Batch, key: PRNGKey, step: Step) -> tuple[Agent, Metrics]:
        batch = agent.normalizer.batch(batch)
        rate = optax.adam(self.learning_rate)
        embedder, metrics = agent.embedder.descend(rate, lambda model: sale_loss(model, batch))

        target_q = batch.reward + self.discount * batch.continues * self.next_value(agent, batch.next_obs, key)
        fixed, embedded = agent.fixed, jax.vmap(agent.fixed.of_state)(batch.obs)
        critics, critic_metrics = agent.critics.descend(
            rate, lambda q: critic_loss(q, fixed, batch, embedded, target_q)
        )
        low, high = agent.seen
        seen = jnp.stack([jnp.minimum(low, jnp.min(target_q)), jnp.maximum(high, jnp.max(target_q))])
        agent = replace(agent, embedder=embedder, critics=critics, seen=seen)

        def improve(agent: Agent) -> tuple[Agent, Metrics]:
            loss = lambda pi: actor_loss(pi, critics.model, fixed, batch, embedded, self.cloning_weight)
            actor, metrics = agent.actor.descend(rate, loss)
            return replace(agent, actor=actor), metrics

        agent, actor_metrics = delayed((step + 1) % self.actor_delay == 0, improve, agent)
        agent, _ = delayed((step + 1) % self.target_period == 0, lambda agent: (copied(agent), {}), agent)
        return agent, metrics | critic_metrics | actor_metrics

    def next_value(self, agent: Agent, next_obs: Float[Array, "B O"], key: PRNGKey) -> Float[Array, " B"]:
        """min_j Q_j at the target's smoothed action, between the least and the largest target before the last copy."""
        target = agent.target
        embedded = jax.vmap(target.embedder.of_state)(next_obs)
        action = smoothed(jax.vmap(target.actor)(next_obs, embedded), self.target_noise, self.noise_clip, key)
        next_q = jnp.min(embedded_q(target.critics, target.embedder, next_obs, embedded, action), axis=0)
        return jnp.clip(next_q, agent.allowed[0], agent.allowed[1])

    def policy(self, agent: Agent) -> ActorPolicy:
        return self._noisy(agent.best if self.judged_episodes else newest(agent), agent.normalizer)

    def acting(self, agent: Agent) -> ActorPolicy:
        return self._noisy(agent.acting if self.judged_episodes else newest(agent), agent.normalizer)

    def checkpoints(self) -> Checkpoints | None:
        episodes = self.judged_episodes
        return Checkpoints(episodes, self.judged_since, self.forgotten) if episodes else None

    def renewed(self, agent: Agent, keep: Bool[Array, ""], renew: Bool[Array, ""]) -> Agent:
        best = jax.tree.map(partial(jnp.where, keep), agent.acting, agent.best)
        acting = jax.tree.map(partial(jnp.where, renew), newest(agent), agent.acting)
        return replace(agent, best=best, acting=acting)

    def _noisy(self, actor: EmbeddedActor, normalizer: Normalizer) -> ActorPolicy:
        return ActorPolicy(NoisyActor(actor, jnp.asarray(self.exploration_noise, jnp.float32)), normalizer)


def critic_loss(
    critics: Ensemble, fixed: Embedder, batch: Batch, embedded: Float[Array, "B D"], target_q: Float[Array, " B"]
) -> Loss:
    """Huber's loss, as LAP needs it, summed over critics; the metric `td_error` is the larger error of each row."""
    error = embedded_q(critics, fixed, batch.obs, embedded, batch.action) - target_q[None]
    loss = jnp.sum(jnp.mean(huber(error), axis=1))
    q = jnp.mean(error) + jnp.mean(target_q)
    return loss, {"critic_loss": loss, "q": q, "td_error": jnp.max(jnp.abs(error), axis=0)}


def actor_loss(
    actor: SALEActor, critics: Ensemble, fixed: Embedder, batch: Batch, embedded: Float[Array, "B D"], weight: Scalar
) -> Loss:
    """-E[Q] + lambda E|Q| E[(pi(s) - a)^2] over both critics; E|Q| is not differentiated, squares are means."""
    action = jax.vmap(actor)(batch.obs, embedded)
    q = embedded_q(critics, fixed, batch.obs, embedded, action)
    cloning = jnp.mean((action - batch.action) ** 2)
    loss = -jnp.mean(q) + weight * jax.lax.stop_gradient(jnp.mean(jnp.abs(q))) * cloning
    return loss, {"actor_loss": loss, "cloning_loss": cloning}


def newest(agent: Agent) -> EmbeddedActor:
    """The actor, seeing by the embedder that it has learned with."""
    return EmbeddedActor(agent.fixed.state, agent.actor.model)


def copied(agent: Agent) -> Agent:
    """Targets become what they follow, the fixed embedder the newest one, and what was seen bounds what is allowed."""
    target = Targets(agent.fixed, agent.actor.model, agent.critics.model)
    return replace(agent, target=target, fixed=agent.embedder.model, allowed=agent.seen)
