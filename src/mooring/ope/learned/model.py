"""The direct method by a learned model: the target policy acts in what networks foretell, from logged beginnings.

Each member of a population is one network of `algorithms.model_based.dynamics` that learns from a bootstrap resample of
the episodes, so their spread tells how sure the value is. Observations and rewards are kept within the range of the
logged ones, as in Fu et al. 2021, "Benchmarks for Deep Off-Policy Evaluation", arXiv 2103.16596, since small errors
otherwise grow from step to step.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from mooring import loop
from mooring.algorithms.model_based.dynamics import DynamicsEnsemble, imagined_step
from mooring.data.columns import take
from mooring.data.dataset import Dataset
from mooring.environments.terminations import Ends, known_end
from mooring.errors import BadInput
from mooring.evaluation.statistics import Estimate
from mooring.ope.contributions import Contributions
from mooring.ope.intervals import of_members
from mooring.ope.learned.episodes import Episodes
from mooring.ope.learned.fqe import resampled_means
from mooring.ope.logs import Logs
from mooring.ope.targets import check_fits, check_memoryless
from mooring.settings import Count
from mooring.training import train
from mooring.types import Policy, PRNGKey, static

REST = 1e-3  # of the discount that may be left after the last imagined step
STRAYED = 0.05  # of imagined steps that may leave the range of the data


class Model(DynamicsEnsemble):
    """One model of the dynamics; the members of a population make the ensemble."""

    name: ClassVar[str] = "model"

    members: Count = static(1)
    elites: Count = static(1)
    batch_size: Count = static(256)


@dataclass(frozen=True, eq=False)
class Imagined:
    """What M models foretell of each episode's first observation, in raw units.

    `starts` are the members' values, each averaged over its own resample of episodes; `logged` are the mean discounted
    returns of those resamples. `warnings` are sentences for
    the user; none where nothing is suspicious.
    """

    start: Float[np.ndarray, "M E"]
    starts: Float[np.ndarray, " M"]
    logged: Float[np.ndarray, " M"]
    warnings: tuple[str, ...]

    @property
    def estimate(self) -> Contributions:
        """The mean over members and episodes; what the models do not know is not in its intervals."""
        return Contributions.mean(self.start.mean(0))

    def interval(self, level: float = 0.95) -> Estimate:
        """As of `Fitted`: by the spread of the members."""
        return of_members(float(self.start.mean()), self.starts, level)


class Range(eqx.Module):
    """The least and the largest of each entry of an observation, and of the reward, that were logged."""

    low: Float[Array, " O"]
    high: Float[Array, " O"]
    least: Float[Array, ""]
    most: Float[Array, ""]


def imagined_values(
    data: Dataset,
    policy: Policy,
    discount: float = 0.99,
    *,
    horizon: int | None = None,
    steps: int = 20_000,
    members: int = 5,
    seed: int = 0,
    learner: Model | None = None,
) -> Imagined:
    """The policy's value of every first observation, by `members` models that make `steps` updates each.

    The policy acts for `horizon` steps; by default until 0.1 % of the discount is left, or, without a discount, as
    long as episodes last. The MDP ends by the environment's rule where that is known, and else as was learned.
    Raises BadInput where observations are not one vector or actions are discrete.
    """
    check_memoryless(policy)
    logs = Logs.of(data, discount)
    if isinstance(data.obs, dict) or data.obs.ndim != 2:
        raise BadInput(data.name, "observations are not vectors of numbers", "such", "judge by fitted Q evaluation")
    check_fits(policy, data)
    horizon = horizon or (math.ceil(math.log(REST) / math.log(discount)) if 0 < discount < 1 else data.horizon)
    learner = learner or Model()
    source = Episodes.of(data, resampled=True, columns=learner.columns)
    run = train(learner, data, steps, seeds=range(seed, seed + members), source=source)
    dynamics = loop.results(run.algorithms, run.run.agent)
    within = Range(
        *(jnp.asarray(each) for each in (data.obs.min(0), data.obs.max(0), data.reward.min(), data.reward.max()))
    )
    first = jnp.asarray(take(data.obs, data.starts))
    keys = jax.random.split(jax.random.key(seed), members)
    value, strayed = walk(dynamics, policy, known_end(data.env), within, first, discount, horizon, keys)
    start = np.asarray(value, np.float64)
    starts, logged = (resampled_means(run.run, each) for each in (start, logs.returns[None]))
    return Imagined(start, starts, logged, tuple(_suspicions(start, float(strayed))))


@eqx.filter_jit
def walk(
    dynamics: Any,
    policy: Policy,
    ends: Ends | None,
    within: Range,
    first: Float[Array, "E O"],
    discount: float,
    horizon: int,
    keys: Key[Array, " M"],
) -> tuple[Float[Array, "M E"], Float[Array, ""]]:
    """The discounted rewards of the policy in each of M models, stacked; and the share of steps that left the range."""

    def of(model: Any, key: PRNGKey) -> tuple[Float[Array, " E"], Float[Array, ""]]:
        def step(carry: tuple[Array, Array, Array], key: PRNGKey) -> tuple[tuple[Array, Array, Array], Array]:
            obs, so_far, total = carry
            rows, _ = imagined_step(model, policy, obs, ends, key)
            reward = jnp.clip(rows.reward, within.least, within.most)
            after = jnp.clip(rows.next_obs, within.low[None], within.high[None])
            strayed = jnp.any(after != rows.next_obs, axis=1) & (so_far > 0)
            share = jnp.sum(strayed) / jnp.maximum(jnp.sum(so_far > 0), 1)
            return (after, discount * rows.continues * so_far, total + so_far * reward), share

        begin = first, jnp.ones(len(first)), jnp.zeros(len(first))
        (_, _, total), share = jax.lax.scan(step, begin, jax.random.split(key, horizon))
        return total, jnp.mean(share)

    total, share = jax.vmap(of)(dynamics, keys)
    return total, jnp.mean(share)


def _suspicions(start: Float[np.ndarray, "M E"], strayed: float) -> Iterator[str]:
    if not np.isfinite(start).all():
        yield "the values are not finite: the models diverged"
    if strayed > STRAYED:
        yield (
            f"{strayed:.0%} of the imagined steps left the range of the logged observations, and were put back to it: "
            "the policy leaves the data, or the models are not good enough"
        )
