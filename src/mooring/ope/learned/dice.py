"""The DICE family: how much more often than the log the target policy is in each logged row, by two networks' game.

The ratio w(s, a) = d_pi(s, a) / d_D(s, a), where d_pi is the target's discounted occupancy, times (1 - gamma), is what
balances the flow: what enters a pair of state and action, at the start or from another pair, also leaves it. Where the
MDP ends, the flow goes on at a new start, so it never runs dry and w has mean 1. With nu_0 = E[nu(s_0, a_0)] and
nu' = continues E[nu(s', a')] + (1 - continues) nu_0, actions by the target policy, every method looks for the saddle of

    L = (1 - gamma) E[nu_0] + E_D[w (gamma nu' - nu)] + lambda norm + its own terms,

which nu makes small and w makes large (Yang et al. 2020, "Off-Policy Evaluation via the Regularized Lagrangian", arXiv
2007.03438). norm = u (1 - E_D[w]) + u^2 / 2, which a number u makes small, charges w for a mean other than 1. The own
terms make the game well-behaved, and leave the ratio at its saddle as it is:

    DualDICE      - E_D[w^2] / 2                                Nachum et al. 2019, arXiv 1906.04733
    AlgaeDICE     E_D[w r] - alpha E_D[w^2] / 2                 Nachum et al. 2019, arXiv 1912.02074
    GradientDICE  E_D[nu^2] / 2                                 Zhang, Liu and Whiteson 2020, arXiv 2001.11113
    GenDICE       E_D[w nu^2] / 4, with w >= 0                  Zhang et al. 2020, arXiv 2002.09072

Departures: signs of nu and u are such that all methods have one form; f(x) = x^2 / 2 where DualDICE and AlgaeDICE leave
f open; these two were published without the norm, which the saddle does not need and learning does. u follows the mean
that is best for it, E_D[w] - 1, in place of gradient steps. Ratios are those of averaged weights, since the players of
a game go around its saddle. New starts are ours; the papers' processes never end.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import replace
from typing import Any, ClassVar, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, PyTree, Shaped

from mooring.data.dataset import Dataset
from mooring.networks.mlp import biased
from mooring.normalizer import Normalizer
from mooring.ope.learned.episodes import Episodes
from mooring.ope.learned.expectations import critic_of, expected, in_parts
from mooring.settings import Count, NonNegative, Positive, Unit, Widths
from mooring.training import Trained
from mooring.types import (
    ActionKind,
    Algorithm,
    Batch,
    Learner,
    Metrics,
    Policy,
    PRNGKey,
    Source,
    Spec,
    Step,
    static,
    track,
    trained,
)

FIRST = 0.5413  # softplus of it is 1
NORM_RATE = 0.1  # with which u follows the mean that makes it best; ours


class Players(eqx.Module):
    """`critic` (nu) against `ratio` (w)."""

    critic: Any
    ratio: Any


class Agent(eqx.Module):
    """The players with their optimizers' states, u, and the players' slow averages."""

    critic: Learner
    ratio: Learner
    norm: Float[Array, ""]
    average: Players
    normalizer: Normalizer


class Flow(NamedTuple):
    """What the game's value is made of; of each of B rows but for `start` and `norm`."""

    start: Float[Array, " B"]  # nu_0, of as many first observations
    here: Float[Array, " B"]  # nu
    onward: Float[Array, " B"]  # gamma nu'
    ratio: Float[Array, " B"]  # w
    reward: Float[Array, " B"]
    norm: Float[Array, ""]  # u


class Dice(Algorithm):
    """What all methods of the family share; each adds its own terms. They learn no policy."""

    actions: ClassVar[tuple[ActionKind, ...]] = ("continuous", "discrete")
    watched: ClassVar[str] = "game"  # the metric to look at
    summing: ClassVar[bool] = False  # whether nu sums over time: its network then tells (1 - gamma) nu
    positive: ClassVar[bool] = False  # whether the method demands ratios of at least 0

    target: Policy | None = None  # whose ratios are learned; without memory
    discount: Unit = 0.99  # gamma
    critic_rate: Positive = 1e-4  # learning rate of nu; ours
    ratio_rate: Positive = 1e-3  # learning rate of w; ours (the side whose terms are curved is the quicker one)
    penalty: NonNegative = 10.0  # lambda, weight of the norm; ours (published without)
    average_rate: Unit = 1e-3  # with which the averages follow; ours
    batch_size: Count = static(512)  # ours
    hidden: Widths = static((256, 256))  # ours
    standardize: bool = static(True)  # standardize observations; ours

    @abstractmethod
    def own_terms(self, flow: Flow) -> Float[Array, ""]:
        """What the method adds to the flow's imbalance."""

    def source(self, data: Dataset) -> Source:
        return Episodes.of(data, resampled=False)

    def init(self, key: PRNGKey, spec: Spec) -> Agent:
        normalizer = Normalizer(spec, self.standardize)
        critic_key, ratio_key = jax.random.split(key)
        critic = critic_of(critic_key, normalizer, self.hidden)
        ratio = critic_of(ratio_key, normalizer, self.hidden, last=biased(FIRST if self.positive else 1.0))
        learners = Learner.of(critic, optax.adam(self.critic_rate)), Learner.of(ratio, optax.adam(self.ratio_rate))
        return Agent(*learners, jnp.zeros(()), Players(critic, ratio), normalizer)

    def update(self, agent: Agent, batch: Batch, key: PRNGKey, step: Step) -> tuple[Agent, Metrics]:
        """Both sides take one step from where they are."""

        def game(critic: Any, ratio: Any) -> tuple[Float[Array, ""], Metrics]:
            return self.game(Players(critic, ratio), agent.norm, agent.normalizer, batch, key)

        def opposite(ratio: Any) -> tuple[Float[Array, ""], Metrics]:
            value, metrics = game(agent.critic.model, ratio)
            return -value, metrics

        critic, metrics = agent.critic.descend(optax.adam(self.critic_rate), lambda nu: game(nu, agent.ratio.model))
        ratio, _ = agent.ratio.descend(optax.adam(self.ratio_rate), opposite)
        norm = track(agent.norm, metrics["mean"] - 1, NORM_RATE)
        average = track(agent.average, Players(critic.model, ratio.model), self.average_rate)
        return Agent(critic, ratio, norm, average, agent.normalizer), metrics

    def game(
        self, players: Players, norm: Float[Array, ""], normalizer: Normalizer, batch: Batch, key: PRNGKey
    ) -> tuple[Float[Array, ""], Metrics]:
        """L of a raw batch; its metrics are L and the mean of w."""
        policy, (start_key, next_key) = trained(self.target, "Dice.target"), jax.random.split(key)
        rows = normalizer.batch(replace(batch, extra={}))
        size = 1 / (1 - self.discount) if self.summing else 1.0
        start = size * expected(players.critic, policy, normalizer, batch["start"], start_key)
        after = size * expected(players.critic, policy, normalizer, batch.next_obs, next_key)
        flow = Flow(
            start=start,
            here=size * jax.vmap(players.critic)(rows.obs, rows.action),
            onward=self.discount * (rows.continues * after + (1 - rows.continues) * jnp.mean(start)),
            ratio=self.ratio(players.ratio, rows.obs, rows.action),
            reward=rows.reward,
            norm=norm,
        )
        balance = (1 - self.discount) * jnp.mean(flow.start) + jnp.mean(flow.ratio * (flow.onward - flow.here))
        value = balance + self.penalty * normalization(flow) + self.own_terms(flow)
        return value, {"game": value, "mean": jnp.mean(flow.ratio)}

    def ratio(self, network: Any, obs: Float[Array, "B O"], action: Shaped[Array, "B ..."]) -> Float[Array, " B"]:
        """w of rows in the networks' units."""
        w = jax.vmap(network)(obs, action)
        return jax.nn.softplus(w) if self.positive else w

    def policy(self, agent: Agent) -> Policy:
        policy: Policy = trained(self.target, "Dice.target")
        return policy

    def row_ratios(self, run: Trained, data: Dataset) -> Float[np.ndarray, "M N"]:
        """Each member's w of every row of the data, by its averaged weights."""

        def look(obs: PyTree, action: Array, key: PRNGKey) -> Float[Array, "M B"]:
            def of(agent: Agent) -> Float[Array, " B"]:
                unit = jax.vmap(agent.normalizer.to_unit)(action)
                return self.ratio(agent.average.ratio, jax.vmap(agent.normalizer.obs)(obs), unit)

            return jax.vmap(of)(run.run.agent)

        return in_parts(eqx.filter_jit(look), (data.obs, data.action), jax.random.key(0))


class DualDICE(Dice):
    """The ratio is how much a critic's value differs from its own look-ahead, where that balances the start's value."""

    name: ClassVar[str] = "dual-dice"
    summing: ClassVar[bool] = True

    def own_terms(self, flow: Flow) -> Float[Array, ""]:
        return -jnp.mean(flow.ratio**2) / 2


class AlgaeDICE(Dice):
    """The target's return, less how far it leaves the data, as the value of one game."""

    name: ClassVar[str] = "algae-dice"
    summing: ClassVar[bool] = True

    alpha: Positive = 1.0  # weight of the distance to the data; ours (published for control: 0.01)

    def own_terms(self, flow: Flow) -> Float[Array, ""]:
        return jnp.mean(flow.ratio * flow.reward) - self.alpha * jnp.mean(flow.ratio**2) / 2


class GradientDICE(Dice):
    """Balances the flow in the norm that a critic finds worst: convex and concave with linear functions."""

    name: ClassVar[str] = "gradient-dice"

    critic_rate: Positive = 1e-3  # ours
    ratio_rate: Positive = 3e-4  # ours
    penalty: NonNegative = 1.0  # ours

    def own_terms(self, flow: Flow) -> Float[Array, ""]:
        return jnp.mean(flow.here**2) / 2


class GenDICE(Dice):
    """Balances the flow in the chi-square distance, by ratios that are never negative."""

    name: ClassVar[str] = "gen-dice"
    positive: ClassVar[bool] = True

    critic_rate: Positive = 1e-3  # ours
    ratio_rate: Positive = 3e-4  # ours
    penalty: NonNegative = 1.0  # ours

    def own_terms(self, flow: Flow) -> Float[Array, ""]:
        return jnp.mean(flow.ratio * flow.here**2) / 4


def normalization(flow: Flow) -> Float[Array, ""]:
    """u (1 - E[w]) + u^2 / 2; at its least -(1 - E[w])^2 / 2, which charges w for its mean (GenDICE)."""
    return flow.norm * (1 - jnp.mean(flow.ratio)) + flow.norm**2 / 2
