"""Cal-QL: CQL that pushes values down to what the data's policy earned and no further, so that fine-tuning begins well.

Nakamoto, Zhai, Singh, Mark, Ma, Finn, Kumar and Levine 2023, "Cal-QL: Calibrated Offline RL Pre-Training for Efficient
Online Fine-Tuning", arXiv 2303.05479. CQL: cql_continuous.py, whose departures hold here too.

V_mu is the Monte Carlo return of the row, by this algorithm's discount, of rewards as learning sees them. Online rows
get theirs when their episode ends; until then, and without any, this is CQL.

Departures: the actor's log standard deviation has no learned scale and offset.
"""

from dataclasses import replace
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, Float64

from mooring.agents import SoftActorCritic
from mooring.algorithms.value_regularization.cql_continuous import CQL, Agent, Proposals, conservative_gap
from mooring.data.changes import MONTE_CARLO, discounted_sums, returns_to_go
from mooring.data.dataset import Dataset
from mooring.data.mapped import MappedDataset
from mooring.errors import BadInput
from mooring.losses import bellman_loss, many_actions, q_of_many
from mooring.networks.actors import SquashedGaussianActor
from mooring.networks.critics import Critic, Ensemble, q_values
from mooring.networks.mlp import orthogonal
from mooring.normalizer import Normalizer
from mooring.settings import Count, Real, Unit, Widths
from mooring.sources import Offline
from mooring.types import ActionKind, Batch, Learner, Loss, PRNGKey, Scalar, Spec, static


class CalQL(CQL):
    """CQL at the scale of the returns that were seen: for policies that are to go on learning while they act."""

    name: ClassVar[str] = "cal-ql"
    actions: ClassVar[tuple[ActionKind, ...]] = ("continuous",)
    columns: ClassVar[tuple[str, ...]] = (MONTE_CARLO,)

    threshold: Real = -2.6  # tau: the gap that the Lagrange form allows; published code (0.8, less log 30: see CQL)
    discount: Unit = static(0.99)  # gamma, of the Monte Carlo returns too; published code
    backup_samples: Count = static(10)  # actions at s' of which the target takes the best; published code
    failure: Real | None = static(None)  # a sparse task's reward until success; an episode of it alone fails forever
    hidden: Widths = static((256, 256, 256, 256))  # of the critics; published code for antmaze
    actor_hidden: Widths = static((256, 256))  # published code for antmaze

    def source(self, data: Dataset) -> Offline:
        """Raises BadInput for data that stay in files, whose columns can not be added to."""
        if isinstance(data, MappedDataset):
            fix = "select episodes of it, which are then in memory"
            raise BadInput(data.name, "lies in files, where Cal-QL can not add the Monte Carlo returns", fix=fix)
        seen = replace(data, reward=data.reward_scale * data.reward + data.reward_shift)
        returns = returns_to_go(seen, self.discount)
        if self.failure is not None:
            failed = np.logical_and.reduceat(np.isclose(seen.reward, self.failure), data.starts)
            returns[np.repeat(failed, data.lengths)] = self._forever()
        return Offline.of(replace(data, extra=data.extra | {MONTE_CARLO: returns}), self.columns)

    def monte_carlo(self, reward: Float[np.ndarray, " T"]) -> Float64[np.ndarray, " T"]:
        """V_mu of the rows of an episode that was lived, from its rewards as learning sees them."""
        if self.failure is not None and np.isclose(reward, self.failure).all():
            return np.full(len(reward), self._forever())
        return discounted_sums(reward, self.discount)

    def _forever(self) -> float:
        assert self.failure is not None
        if self.discount == 1:
            raise BadInput("CalQL.failure", "what fails forever has no return", "a discount below 1")
        return self.failure / (1 - self.discount)

    def init(self, key: PRNGKey, spec: Spec) -> Agent:
        rate, actor_rate = optax.adam(self.learning_rate), optax.adam(self.actor_learning_rate)
        normalizer, initial, last = Normalizer(spec, self.standardize), orthogonal(), orthogonal(0.01)
        sizes = normalizer.features, normalizer.actions
        actor_key, critic_key = jax.random.split(key)
        actor = SquashedGaussianActor.of(actor_key, *sizes, self.actor_hidden, initial=initial, last=last)
        make_critic = lambda k: Critic.of(
            k, *sizes, self.hidden, initial=initial, last=last, layer_norm=self.layer_norm
        )
        critics = Ensemble.of(critic_key, self.critics, make_critic)
        networks = SoftActorCritic.of(actor, critics, normalizer, actor_rate, rate)
        return Agent(networks, Learner.of(jnp.log(jnp.asarray(self.alpha, jnp.float32)), rate))

    def next_q(self, networks: SoftActorCritic, next_obs: Float[Array, "B O"], key: PRNGKey) -> Float[Array, " B"]:
        return best_value(networks, next_obs, self.backup_samples, key)

    def critic_loss(
        self, critics: Ensemble, batch: Batch, target_q: Float[Array, " B"], proposals: Proposals, alpha: Scalar
    ) -> Loss:
        return critic_loss(critics, batch, target_q, proposals, self.samples, alpha)


def best_value(networks: SoftActorCritic, obs: Float[Array, "B O"], samples: int, key: PRNGKey) -> Float[Array, " B"]:
    """Of that many actions of the actor, the largest value by the smaller target critic."""
    actions = many_actions(networks.actor.model, obs, samples, key)
    return jnp.max(jnp.min(q_of_many(networks.target, obs, actions), axis=0), axis=1)


def critic_loss(
    critics: Ensemble, batch: Batch, target_q: Float[Array, " B"], proposals: Proposals, uniform: int, alpha: Scalar
) -> Loss:
    """Alpha times eq. 5.1's calibrated regularizer, plus the Bellman error, summed over critics.

    The first `uniform` proposals are not the policy's, and so are pushed down as far as in CQL.
    """
    bellman, metrics = bellman_loss(critics, batch, target_q)
    proposed = calibrated(q_of_many(critics, batch.obs, proposals.action), batch[MONTE_CARLO], uniform)
    gaps = conservative_gap(proposed, proposals.log_density, q_values(critics, batch.obs, batch.action))
    loss = bellman + alpha * jnp.sum(gaps)
    return loss, metrics | {"critic_loss": loss, "conservative_loss": jnp.mean(gaps)}


def calibrated(q: Float[Array, "N B P"], monte_carlo: Float[Array, " B"], uniform: int) -> Float[Array, "N B P"]:
    """max(Q, V_mu) of each row's actions but the first `uniform` ones: nothing pushes down what is below V_mu."""
    return jnp.concatenate([q[:, :, :uniform], jnp.maximum(q[:, :, uniform:], monte_carlo[None, :, None])], axis=2)
