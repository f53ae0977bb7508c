"""Fitted Q evaluation: the target policy's values, learned from logged rows by their own one-step look-ahead.

Le, Voloshin and Yue 2019, "Batch Policy Learning under Constraints", arXiv 1903.08738, algorithm 3.

Each member of a population learns from a bootstrap resample of the episodes, so that their spread tells how sure the
values are (Hao et al. 2021, "Bootstrapping Fitted Q-Evaluation for Off-Policy Inference", arXiv 2102.03607).

Departures: one stream of updates toward a slowly moving copy of the critic, in place of a whole regression per
iteration; values are those of the copy, whose noise is less; they begin at the mean return that was logged.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float

from mooring.data.columns import take
from mooring.data.dataset import Dataset
from mooring.data.episodes import broken_rows
from mooring.evaluation.statistics import Estimate
from mooring.loop import Run
from mooring.networks.mlp import uniform
from mooring.normalizer import Normalizer
from mooring.ope.intervals import of_members
from mooring.ope.learned.episodes import Episodes
from mooring.ope.learned.expectations import averaged, critic_of, expected, in_parts
from mooring.ope.logs import Logs, Values
from mooring.ope.targets import check_fits, check_memoryless
from mooring.settings import Count, Positive, Real, Unit, Widths
from mooring.training import train
from mooring.types import (
    ActionKind,
    Algorithm,
    Batch,
    Learner,
    Loss,
    Metrics,
    Policy,
    PRNGKey,
    Spec,
    Step,
    static,
    track,
    trained,
)

if TYPE_CHECKING:
    from mooring.types import Source

MARGIN = 0.1  # by which values may pass their bound: that of an approximation
UNSETTLED = 0.05  # of the values' size: what they may move by in the last tenth of the updates


class Agent(eqx.Module):
    """The critic and the copy of it that follows slowly."""

    critic: Learner
    target: Any
    normalizer: Normalizer


class FQE(Algorithm):
    """Q of a given policy; it learns no policy of its own."""

    name: ClassVar[str] = "fqe"
    actions: ClassVar[tuple[ActionKind, ...]] = ("continuous", "discrete")

    target: Policy | None = None  # whose values are learned; without memory
    discount: Unit = 0.99  # gamma
    learning_rate: Positive = 3e-4  # ours
    target_rate: Unit = 0.01  # tau, with which the copy follows; ours
    first_value: Real = 0.0  # that of every action before the first update, as learning sees rewards; ours
    batch_size: Count = static(256)  # ours
    hidden: Widths = static((256, 256))  # ours
    standardize: bool = static(True)  # standardize observations; ours

    def source(self, data: Dataset) -> Source:
        return Episodes.of(data, resampled=True)

    def init(self, key: PRNGKey, spec: Spec) -> Agent:
        normalizer = Normalizer(spec, self.standardize)
        begin = lambda k, shape: (0.1 * uniform(k, shape)[0], jnp.full(shape[1:], self.first_value))
        critic = critic_of(key, normalizer, self.hidden, last=begin)
        return Agent(Learner.of(critic, optax.adam(self.learning_rate)), critic, normalizer)

    def update(self, agent: Agent, batch: Batch, key: PRNGKey, step: Step) -> tuple[Agent, Metrics]:
        policy = trained(self.target, "FQE.target")
        next_value = expected(agent.target, policy, agent.normalizer, batch.next_obs, key)
        rows = agent.normalizer.batch(replace(batch, extra={}))
        target_q = rows.reward + self.discount * rows.continues * next_value
        critic, metrics = agent.critic.descend(optax.adam(self.learning_rate), lambda q: critic_loss(q, rows, target_q))
        return Agent(critic, track(agent.target, critic.model, self.target_rate), agent.normalizer), metrics

    def policy(self, agent: Agent) -> Policy:
        policy: Policy = trained(self.target, "FQE.target")
        return policy


def critic_loss(critic: Any, rows: Batch, target_q: Float[Array, " B"]) -> Loss:
    """Algorithm 3: the mean square of Q(s, a) - (r + gamma E[Q_before(s', a')])."""
    q = jax.vmap(critic)(rows.obs, rows.action)
    loss = jnp.mean((q - target_q) ** 2)
    return loss, {"critic_loss": loss, "q": jnp.mean(q)}


@dataclass(frozen=True, eq=False)
class Fitted:
    """Values of the logged rows, averaged over M members, and what tells how far to trust them.

    `starts` are the members' values of the first observations, each averaged over its own resample of episodes: a
    bootstrap of the direct method; `logged` are the mean discounted returns of those resamples. `curve` is each
    member's mean Q of a batch, in raw units, as it learned. `warnings` are sentences for the user; none where nothing
    is suspicious.
    """

    values: Values
    starts: Float[np.ndarray, " M"]
    logged: Float[np.ndarray, " M"]
    curve: Float[np.ndarray, "K M"]
    warnings: tuple[str, ...]

    def interval(self, level: float = 0.95) -> Estimate:
        """The mean value of first observations +- t(M - 1) times the members' standard deviation.

        Raises BadInput where there is one member only.
        """
        return of_members(float(self.values.start.mean()), self.starts, level)


def fitted_q(
    data: Dataset,
    policy: Policy,
    discount: float = 0.99,
    *,
    steps: int = 20_000,
    members: int = 5,
    seed: int = 0,
    algorithm: FQE | None = None,
) -> Fitted:
    """The policy's values at all rows of the data, by `members` critics that make `steps` updates each.

    Rewards are raw: what the data says of how learning is to see them does not matter. Of `algorithm`, all settings
    but the policy and the discount are used. Raises BadInput where the policy carries a memory, where there are
    fewer than two episodes, and where settings do not fit.
    """
    check_memoryless(policy)
    check_fits(policy, data)
    logs = Logs.of(data, discount)
    size, mean = size_of_values(logs)
    seen = data.with_reward(scale=1 / size)
    algorithm = replace(algorithm or FQE(), target=policy, discount=discount, first_value=mean / size)
    run = train(algorithm, seen, steps, seeds=range(seed, seed + members), chunk=max(1, steps // 20))
    q, v, v_next = (size * column for column in _of_members(run.run, seen, policy, seed))
    tables = [logs.of_rows(column.mean(0)) for column in (q, v, np.where(data.continues == 0, 0, v_next))]
    curve = size * np.array([row["q"] for row in run.rows])
    starts, logged = (resampled_means(run.run, each) for each in (v[:, data.starts], logs.returns[None]))
    warnings = (*shortness(steps, float(algorithm.target_rate), data, discount), *suspicions(curve, q, data, discount))
    return Fitted(Values(*tables), starts, logged, curve, warnings)


def resampled_means(run: Run, each: Float[np.ndarray, "#M E"]) -> Float[np.ndarray, " M"]:
    """Of one number per episode, each member's mean over its own resample of the episodes."""
    times = np.asarray(jax.vmap(lambda state: state.times)(run.source))
    return np.asarray((times * each).sum(1) / times.sum(1))


def size_of_values(logs: Logs) -> tuple[float, float]:
    """Root mean square and mean of the logged discounted returns, from each row to its episode's end."""
    to_go = np.zeros_like(logs.reward)
    after = np.zeros(len(logs))
    for step in reversed(range(logs.horizon)):
        after = logs.reward[:, step] + logs.discount[:, step] * after
        to_go[:, step] = after
    each = to_go[logs.present]
    return math.sqrt(float((each**2).mean())) or 1.0, float(each.mean())


def shortness(steps: int, target_rate: float, data: Dataset, discount: float) -> Iterator[str]:
    """Whether too few updates were made for values to reach as far ahead as rewards count.

    Each time that the copy has followed, by 1 / target rate updates, values look one step further ahead.
    """
    ahead, needed = steps * target_rate, min(data.horizon, 1 / (1 - discount) if discount < 1 else math.inf)
    if ahead < needed:
        enough = math.ceil(needed / target_rate)
        yield f"values have looked about {ahead:.0f} of {needed:.0f} steps ahead: make {enough:,} updates or more"


def suspicions(
    curve: Float[np.ndarray, "K M"], q: Float[np.ndarray, "M N"], data: Dataset, discount: float
) -> Iterator[str]:
    """What makes values suspicious: no numbers, beyond what rewards allow, or still moving."""
    if not np.isfinite(q).all():
        yield "the values are not finite: learning diverged; take a smaller learning rate or target rate"
        return
    largest, reward = float(np.abs(q).max()), float(np.abs(data.reward).max())
    bound = reward / (1 - discount) if discount < 1 else math.inf
    if largest > (1 + MARGIN) * bound:
        yield (
            f"values reach {largest:.4g}, beyond what rewards allow ({reward:.4g} / (1 - {discount:g}) = {bound:.4g}): "
            "learning diverged, or the policy leaves the data; take a smaller target rate"
        )
    last = max(1, len(curve) // 10)
    moved = np.abs(curve[-last:].mean(0) - curve[-2 * last : -last].mean(0)).max() if len(curve) > 1 else math.inf
    if moved > UNSETTLED * math.sqrt(float((q**2).mean())):
        yield f"the values still move (mean Q by {moved:.3g} in the last tenth of the updates): make more updates"


def _of_members(run: Run, data: Dataset, policy: Policy, seed: int) -> tuple[Float[np.ndarray, "M N"], ...]:
    """Q of the logged action, V of the observation and of the next one, as learning sees rewards.

    An observation that is the next one of the row before is looked at once.
    """
    alone = np.union1d(data.ends, broken_rows(data))
    after = np.arange(1, len(data) + 1)
    after[alone] = len(data) + np.arange(len(alone))
    looked = jax.tree.map(lambda obs, rest: np.concatenate([obs, rest]), data.obs, take(data.next_obs, alone))
    look = partial(_look, run.agent.target, run.agent.normalizer)
    q = in_parts(partial(look, None), (data.obs, data.action), jax.random.key(0))
    v = in_parts(partial(look, policy), (looked, None), jax.random.key(seed))
    return q, v[:, : len(data)], v[:, after]


@eqx.filter_jit
def _look(
    critics: Any, normalizers: Normalizer, policy: Policy | None, obs: Any, action: Array | None, key: PRNGKey
) -> Float[Array, "M B"]:
    """Every member's Q of the action; with a policy, its mean over the policy's actions."""

    def of(critic: Any, normalizer: Normalizer) -> Float[Array, " B"]:
        if policy is None:
            return jax.vmap(lambda s, a: critic(normalizer.obs(s), normalizer.to_unit(a)))(obs, action)
        return averaged(critic, policy, normalizer, obs, key)

    return jax.vmap(of)(critics, normalizers)
