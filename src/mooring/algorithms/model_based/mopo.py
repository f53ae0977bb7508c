"""MOPO: SAC on rows that a model imagines, whose rewards pay for how unsure the model is.

Yu et al. 2020, "MOPO: Model-based Offline Policy Optimization", arXiv 2005.13239.

An ensemble of models is learned first, as a stage. Before each chunk of updates the policy walks a few steps in it
from logged observations, and SAC learns from those rows and some of the data.

Departures: those of the models (see `dynamics`), so that a penalty of the published size is near to the published one
and not the same; where an imagined rollout ends, another begins; rollouts come before each chunk of updates, which is
1,000 of them, as published, unless asked otherwise.
"""

from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

import jax.numpy as jnp
from jaxtyping import Array, Float

from mooring.agents import SoftActorCritic
from mooring.algorithms.model_based.dynamics import imagined_step, models_of
from mooring.algorithms.online.sac import SAC
from mooring.environments.terminations import Ends
from mooring.networks.dynamics import Dynamics, Prediction
from mooring.settings import Count, NonNegative, Positive, Real, Unit, Widths
from mooring.types import ActionKind, Batch, PRNGKey, Source, Stage, static, trained

if TYPE_CHECKING:
    from mooring.data.dataset import Dataset


class MOPO(SAC):
    """SAC in a learned model that charges for doubt: goes beyond the data where its dynamics are easy to learn."""

    name: ClassVar[str] = "mopo"
    actions: ClassVar[tuple[ActionKind, ...]] = ("continuous",)

    dynamics: Dynamics | None = None  # left behind by the stage
    penalty: NonNegative = 1.0  # lambda, weight of the models' doubt, section 4.3; published code (0.5 to 5)
    discount: Unit = 0.99  # gamma; published code
    target_entropy: Real = -1.0  # for each action dimension, of actions in [-1, 1]; published code (-3 in all)
    learning_rate: Positive = 3e-4  # of actor, critics and temperature; published code
    target_rate: Unit = 5e-3  # tau; published code
    dynamics_learning_rate: Positive = 1e-3  # of the models; published code
    rollout_length: Count = static(5)  # h, steps of an imagined rollout; published code (1 or 5)
    rollouts: Count = static(50_000)  # imagined before each chunk of updates; published code
    retained: Count = static(5)  # chunks whose imagined rows are kept; published code
    real_share: Unit = static(0.05)  # of each batch that comes from the data; appendix G
    batch_size: Count = static(256)  # published code
    hidden: Widths = static((256, 256))  # of actor and critics; published code
    standardize: bool = static(False)  # standardize the policy's observations; published code
    dynamics_steps: Count = static(100_000)  # updates of the models; ours (published: until their error stays)
    dynamics_members: Count = static(7)  # models; appendix G
    dynamics_elites: Count = static(5)  # best models, which foretell; appendix G
    dynamics_hidden: Widths = static((200, 200, 200, 200))  # of the models; published code

    def stages(self) -> tuple[Stage, ...]:
        return (models_of(self),)

    def source(self, data: "Dataset") -> Source:
        from mooring.sources import partly_imagined

        return partly_imagined(data, self.real_share, self.rollouts, self.rollout_length, self.retained)

    def imagine(self, agent: SoftActorCritic, obs: Float[Array, "B O"], ends: Ends | None, key: PRNGKey) -> Batch:
        """Algorithm 2, a step of the rollouts: the reward of the model less lambda times its doubt (section 4.3)."""
        dynamics = trained(self.dynamics, "MOPO.dynamics")
        rows, prediction = imagined_step(dynamics, self.policy(agent), obs, ends, key)
        return replace(rows, reward=rows.reward - self.penalty * doubt(prediction))


def doubt(prediction: Prediction) -> Float[Array, " B"]:
    """u of section 4.3: the length of the standard deviation, a vector, of the member where it is longest."""
    return jnp.max(jnp.linalg.norm(prediction.std, axis=2), axis=0)
