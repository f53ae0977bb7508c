"""MOReL: plans in a learned model that halts, at a price, wherever its members disagree.

Kidambi, Rajeswaran, Netrapalli and Joachims 2020, "MOReL: Model-Based Offline Reinforcement Learning",
arXiv 2005.05951.

Members that were trained alike and foretell different states have not seen this state and action: there the pessimistic
MDP ends in HALT. How much they may disagree is measured in a second stage, as a share of the most on the data's rows.

Departures: the planner is SAC on short rollouts from logged observations and some rows of the data, where the paper has
natural policy gradients on long rollouts from first observations, begun by cloning; the reward is learned too; the
models are those of `dynamics`.
"""

from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from mooring.agents import SoftActorCritic
from mooring.algorithms.model_based.dynamics import imagined_step, models_of
from mooring.algorithms.online.sac import SAC
from mooring.environments.terminations import Ends
from mooring.networks.dynamics import Dynamics, Prediction
from mooring.policies import UniformPolicy
from mooring.settings import Count, Positive, Real, Unit, Widths
from mooring.types import ActionKind, Algorithm, Batch, Metrics, PRNGKey, Source, Spec, Stage, Step, static, trained

if TYPE_CHECKING:
    from mooring.data.dataset import Dataset


class MOReL(SAC):
    """SAC in a learned model that ends where its members disagree: a clear rule for what the data does not know."""

    name: ClassVar[str] = "morel"
    actions: ClassVar[tuple[ActionKind, ...]] = ("continuous",)

    dynamics: Dynamics | None = None  # left behind by the first stage
    largest: Any = None  # discrepancy on the data's rows; left behind by the second
    pessimism: Positive = 3.0  # the threshold is the largest discrepancy divided by this; published code (0.5 to 3)
    halt_value: Real = -100.0  # of the absorbing state HALT, -kappa / (1 - gamma); ours (published: 0 for hopper)
    discount: Unit = 0.99  # gamma; ours (published: 0.999)
    target_entropy: Real = -1.0  # for each action dimension, of actions in [-1, 1]; SAC, table 1
    learning_rate: Positive = 3e-4  # of actor, critics and temperature; SAC, table 1
    target_rate: Unit = 5e-3  # tau; SAC, table 1
    dynamics_learning_rate: Positive = 1e-3  # of the models; published code
    rollout_length: Count = static(25)  # steps of an imagined rollout; ours (published: 500 to 700)
    rollouts: Count = static(10_000)  # imagined before each chunk of updates; ours
    retained: Count = static(5)  # chunks whose imagined rows are kept; ours, as in MOPO
    real_share: Unit = static(0.05)  # of each batch that comes from the data; ours, as in MOPO
    batch_size: Count = static(256)  # SAC, table 1
    hidden: Widths = static((256, 256))  # of actor and critics; SAC, table 1
    standardize: bool = static(False)  # standardize the policy's observations; not in the paper
    dynamics_steps: Count = static(100_000)  # updates of the models; published code (25 epochs)
    dynamics_members: Count = static(4)  # models; published code
    dynamics_elites: Count = static(4)  # best models, which foretell; published code has all
    dynamics_hidden: Widths = static((512, 512))  # of the models; published code
    measuring_steps: Count = static(5_000)  # batches of the data on which the discrepancy is measured; ours

    def stages(self) -> tuple[Stage, ...]:
        measuring = LargestDiscrepancy(dynamics=self.dynamics, batch_size=self.batch_size)
        return models_of(self), Stage("largest", measuring, self.measuring_steps)

    def source(self, data: "Dataset") -> Source:
        from mooring.sources import partly_imagined

        return partly_imagined(data, self.real_share, self.rollouts, self.rollout_length, self.retained)

    def imagine(self, agent: SoftActorCritic, obs: Float[Array, "B O"], ends: Ends | None, key: PRNGKey) -> Batch:
        """A step in the pessimistic MDP (definition 2); a step into HALT ends, and brings the value of HALT."""
        rows, prediction = imagined_step(trained(self.dynamics, "MOReL.dynamics"), self.policy(agent), obs, ends, key)
        unknown = discrepancy(prediction) > trained(self.largest, "MOReL.largest") / self.pessimism
        halted = rows.reward + self.discount * self.halt_value
        reward, continues = jnp.where(unknown, halted, rows.reward), jnp.where(unknown, 0.0, rows.continues)
        return replace(rows, reward=reward, continues=continues)


class Measured(eqx.Module):
    largest: Float[Array, ""]
    spec: Spec


class LargestDiscrepancy(Algorithm):
    """Measures how far the models disagree on the data's rows; it learns nothing, and does not act."""

    actions: ClassVar[tuple[ActionKind, ...]] = ("continuous",)

    dynamics: Dynamics | None = None
    batch_size: Count = static(256)

    def init(self, key: PRNGKey, spec: Spec) -> Measured:
        return Measured(jnp.zeros(()), spec)

    def update(self, agent: Measured, batch: Batch, key: PRNGKey, step: Step) -> tuple[Measured, Metrics]:
        found = discrepancy(trained(self.dynamics, "MOReL.dynamics").predict(batch.obs, batch.action))
        largest = jnp.maximum(agent.largest, jnp.max(found))
        return Measured(largest, agent.spec), {"discrepancy": jnp.mean(found), "largest_discrepancy": largest}

    def policy(self, agent: Measured) -> UniformPolicy:
        return UniformPolicy(agent.spec.action)

    def result(self, agent: Measured) -> Float[Array, ""]:
        return agent.largest


def discrepancy(prediction: Prediction) -> Float[Array, " B"]:
    """disc(s, a) of section 4.2: the largest distance between two members' mean next observations, in raw units."""
    change = prediction.mean[:, :, 1:]

    def from_one(one: Float[Array, "B O"]) -> Float[Array, " B"]:
        return jnp.max(jnp.linalg.norm(change - one[None], axis=2), axis=0)

    return jnp.max(jax.vmap(from_one)(change), axis=0)
