"""BEAR: an actor-critic whose actor stays on the support of the data's actions, measured by samples of both.

Kumar, Fu, Tucker and Levine 2019, "Stabilizing Off-Policy Q-Learning via Bootstrapping Error Reduction",
arXiv 1906.00949, algorithm 1.

The maximum mean discrepancy (MMD) between a few actions of the actor and of an autoencoder of the data's actions is
kept below a threshold by a multiplier that is learned. As in the published code, they are compared before their tanh,
the actor's noise is cut off there, and the actor only matches the data at first. Where observations are far from size
1, `standardize` them: else the autoencoder may take all actions of a state for one (its metric `kl` falls to 0).

Departures: the multiplier begins at 1, there at a random value; no penalty on the critics' disagreement, which the
published runs leave out too. D4RL's runs of it have no target actor and look at the value of one action only.
"""

from dataclasses import replace
from typing import ClassVar, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Bool, Float

from mooring.agents import ActorCritic
from mooring.algorithms.imitation.bc_vae import vae_loss
from mooring.losses import bellman_loss, many_actions, q_of_many, soft_clipped
from mooring.networks.actors import SquashedGaussianActor
from mooring.networks.critics import Critic, Ensemble
from mooring.networks.vae import LATENT_CLIP, VAE
from mooring.normalizer import Normalizer
from mooring.policies import BestOfMany
from mooring.settings import Count, NonNegative, Positive, Unit, Widths
from mooring.types import ActionKind, Algorithm, Batch, Learner, Loss, Metrics, PRNGKey, Scalar, Spec, Step, static

LOG_MULTIPLIER_RANGE = (-5.0, 10.0)  # published code


class Agent(eqx.Module):
    vae: Learner
    networks: ActorCritic
    log_multiplier: Learner


class BEAR(Algorithm):
    """Stays where the data has been without cloning how often: for data of poor policies that cover good actions."""

    name: ClassVar[str] = "bear"
    actions: ClassVar[tuple[ActionKind, ...]] = ("continuous",)

    kernel: Literal["laplacian", "gaussian"] = static("laplacian")  # of the discrepancy; published code
    bandwidth: Positive = 10.0  # sigma of the kernel; published code (20 with the Gaussian one)
    threshold: Positive = 0.05  # epsilon, the most that the discrepancy should be; published code
    smallest_share: Unit = 0.75  # lambda: weight of the smaller critic in the target, of the larger the rest; table
    kl_weight: NonNegative = 0.5  # of the autoencoder's divergence from its prior; published code
    discount: Unit = 0.99  # gamma; published code
    learning_rate: Positive = 1e-3  # of critics and autoencoder; published code
    actor_learning_rate: Positive = 1e-3  # published code
    multiplier_learning_rate: Positive = 1e-3  # published code
    target_rate: Unit = 5e-3  # tau; published code
    match_samples: Count = static(5)  # actions of each side that the discrepancy compares; published code
    target_samples: Count = static(10)  # p, actions that the target's maximum is over; published code
    policy_samples: Count = static(10)  # actions that the policy chooses from; published code
    warm_steps: Count = static(20_000)  # first updates, in which the actor only matches the data; published code
    batch_size: Count = static(100)  # published code
    hidden: Widths = static((400, 300))  # of actor and critics; published code
    vae_hidden: Widths = static((750, 750))  # of encoder and decoder; published code
    standardize: bool = static(False)  # standardize observations; published code

    def init(self, key: PRNGKey, spec: Spec) -> Agent:
        normalizer = Normalizer(spec, self.standardize)
        sizes = normalizer.features, normalizer.actions
        vae_key, actor_key, critic_key = jax.random.split(key, 3)
        actor = SquashedGaussianActor.of(actor_key, *sizes, self.hidden)
        critics = Ensemble.of(critic_key, 2, lambda k: Critic.of(k, *sizes, self.hidden))
        rate = optax.adam(self.learning_rate)
        learners = Learner.of(actor, optax.adam(self.actor_learning_rate)), Learner.of(critics, rate)
        vae = Learner.of(VAE.of(vae_key, *sizes, self.vae_hidden), rate)
        log_multiplier = Learner.of(jnp.zeros(()), optax.adam(self.multiplier_learning_rate))
        return Agent(vae, ActorCritic.of(*learners, normalizer), log_multiplier)

    def update(self, agent: Agent, batch: Batch, key: PRNGKey, step: Step) -> tuple[Agent, Metrics]:
        networks = agent.networks
        batch = networks.normalizer.batch(batch)
        rate, actor_rate = optax.adam(self.learning_rate), optax.adam(self.actor_learning_rate)
        vae_key, next_key, actor_key = jax.random.split(key, 3)

        vae, vae_metrics = agent.vae.descend(rate, lambda model: vae_loss(model, batch, self.kl_weight, vae_key))

        next_actions = many_actions(networks.target_actor, batch.next_obs, self.target_samples, next_key)
        next_q = soft_clipped(q_of_many(networks.target_critics, batch.next_obs, next_actions), self.smallest_share)
        target = batch.reward + self.discount * batch.continues * jnp.max(next_q, axis=1)
        critics, critic_metrics = networks.critics.descend(rate, lambda q: bellman_loss(q, batch, target))

        multiplier, warm = jnp.exp(agent.log_multiplier.model), step >= self.warm_steps
        actor, actor_metrics = networks.actor.descend(
            actor_rate, lambda pi: self.actor_loss(pi, vae.model, critics.model, batch.obs, multiplier, warm, actor_key)
        )
        excess = actor_metrics["mmd"] - self.threshold
        log_multiplier, multiplier_metrics = agent.log_multiplier.descend(
            optax.adam(self.multiplier_learning_rate), lambda log_alpha: multiplier_loss(log_alpha, excess)
        )
        log_multiplier = replace(log_multiplier, model=jnp.clip(log_multiplier.model, *LOG_MULTIPLIER_RANGE))

        networks = replace(networks, critics=critics).improved(actor, self.target_rate)
        metrics = vae_metrics | critic_metrics | actor_metrics | multiplier_metrics
        return Agent(vae, networks, log_multiplier), metrics

    def actor_loss(
        self,
        actor: SquashedGaussianActor,
        vae: VAE,
        critics: Ensemble,
        obs: Float[Array, "B O"],
        multiplier: Float[Array, ""],
        warm: Bool[Array, ""],
        key: PRNGKey,
    ) -> Loss:
        data, own = raw_actions(actor, vae, obs, self.match_samples, key)
        discrepancy = jax.vmap(mmd, in_axes=(0, 0, None, None))(data, own, self.bandwidth, self.kernel)
        q = jnp.min(jnp.mean(q_of_many(critics, obs, jnp.tanh(own)), axis=2), axis=0)
        return support_loss(q, discrepancy, multiplier, warm)

    def policy(self, agent: Agent) -> BestOfMany:
        networks = agent.networks
        return BestOfMany(networks.actor.model, networks.critics.model, networks.normalizer, self.policy_samples)


def raw_actions(
    actor: SquashedGaussianActor, vae: VAE, obs: Float[Array, "B O"], count: int, key: PRNGKey
) -> tuple[Float[Array, "B M A"], Float[Array, "B M A"]]:
    """Of each row, that many actions of the data's model and of the actor, before their tanh."""
    data_key, actor_key = jax.random.split(key)

    def decoded(obs: Float[Array, " O"], key: PRNGKey) -> Float[Array, " A"]:
        return vae.decoder(jnp.concatenate([obs, vae.draw(key)]))

    each = jax.vmap(decoded, in_axes=(None, 0))
    data = jax.vmap(each)(obs, jax.random.split(data_key, (obs.shape[0], count)))
    mean, std = jax.vmap(actor.moments)(obs)
    noise = jax.random.normal(actor_key, (obs.shape[0], count, mean.shape[1]))
    return data, mean[:, None] + std[:, None] * jnp.clip(noise, -LATENT_CLIP, LATENT_CLIP)


def mmd(some: Float[Array, "M A"], others: Float[Array, "L A"], bandwidth: Scalar, kernel: str) -> Float[Array, ""]:
    """The maximum mean discrepancy of two samples: sqrt(E[k(x, x')] - 2 E[k(x, y)] + E[k(y, y')]).

    With k = exp(-d / 2 sigma), where d is the sum over dimensions of |x - y|, or of its square (Gaussian).
    """

    def mean_kernel(x: Float[Array, "M A"], y: Float[Array, "L A"]) -> Float[Array, ""]:
        difference = x[:, None] - y[None]
        distance = jnp.sum(jnp.abs(difference) if kernel == "laplacian" else difference**2, axis=2)
        return jnp.mean(jnp.exp(-distance / (2 * bandwidth)))

    square = mean_kernel(some, some) - 2 * mean_kernel(some, others) + mean_kernel(others, others)
    return jnp.sqrt(square + 1e-6)  # so that the slope is finite where both are the same


def support_loss(
    q: Float[Array, " B"], discrepancy: Float[Array, " B"], multiplier: Float[Array, ""], warm: Bool[Array, ""]
) -> Loss:
    """E[alpha MMD(pi(.|s), data) - min_j E[Q_j(s, a)]], a drawn from pi; until it is warm, without Q."""
    loss = jnp.mean(multiplier * discrepancy - warm * q)
    return loss, {"actor_loss": loss, "mmd": jnp.mean(discrepancy)}


def multiplier_loss(log_alpha: Float[Array, ""], excess: Float[Array, ""]) -> Loss:
    """-alpha (MMD - epsilon): the multiplier grows while the discrepancy exceeds its threshold."""
    return -jnp.exp(log_alpha) * excess, {"multiplier": jnp.exp(log_alpha)}
