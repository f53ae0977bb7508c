"""Decision Transformer: a causal transformer that predicts actions from the return that is still to come.

Chen et al. 2021, "Decision Transformer: Reinforcement Learning via Sequence Modeling", arXiv 2106.01345.

Departures: the learning rate rises for 10^4 updates, as in the published code; the paper's table for Gym says 10^5,
which is the whole run. Observations are divided by their standard deviation + 1e-3, not + 1e-6. Discrete actions take
the Gym model, with one-hot actions and the Atari model's cross-entropy, instead of the Atari model.
"""

from dataclasses import replace
from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int, PyTree

from mooring.data.dataset import Dataset
from mooring.errors import BadInput
from mooring.networks.trajectory import TrajectoryModel, Window
from mooring.normalizer import Normalizer
from mooring.settings import Count, Dropout, NonNegative, Positive, Real
from mooring.sources import Windows
from mooring.types import (
    ActionKind,
    Algorithm,
    Batch,
    Discrete,
    Learner,
    Loss,
    Metrics,
    Policy,
    PRNGKey,
    Scalar,
    Spec,
    Step,
    static,
)


class Agent(eqx.Module):
    model: Learner
    normalizer: Normalizer


class DT(Algorithm):
    """Learns actions given the return that followed them, and acts by asking for a high return."""

    name: ClassVar[str] = "dt"
    actions: ClassVar[tuple[ActionKind, ...]] = ("continuous", "discrete")

    target_return: Real | None = None  # raw return to ask for; none: that of the best logged episode; ours
    return_scale: Positive = 1000.0  # that returns are divided by; published code
    learning_rate: Positive = 1e-4  # after the warm-up; table for Gym
    warmup: Positive = 1e4  # updates over which the rate rises; published code
    weight_decay: NonNegative = 1e-4  # AdamW's; table for Gym
    clip: Positive = 0.25  # greatest norm of the gradient; table for Gym
    dropout: Dropout = 0.1  # table for Gym
    context: Count = static(20)  # K, the steps that the model sees; table for Gym
    layers: Count = static(3)  # table for Gym
    heads: Count = static(1)  # of attention; table for Gym
    width: Count = static(128)  # of the embeddings; table for Gym
    batch_size: Count = static(64)  # windows; table for Gym
    standardize: bool = static(True)  # standardize observations; published code

    def __check_init__(self) -> None:
        if self.width % self.heads:
            raise BadInput("DT.heads", f"found {self.heads}", f"a divisor of the width, which is {self.width}")

    def source(self, data: Dataset) -> Windows:
        return Windows.of(data, self.context)

    def optimizer(self) -> optax.GradientTransformation:
        """AdamW on the clipped gradient, at a rate that rises linearly to its full height."""
        rate = lambda count: self.learning_rate * jnp.minimum((count + 1) / self.warmup, 1)
        return optax.chain(optax.clip_by_global_norm(self.clip), optax.adamw(rate, weight_decay=self.weight_decay))

    def init(self, key: PRNGKey, spec: Spec) -> Agent:
        normalizer = Normalizer(spec, self.standardize)
        model = TrajectoryModel.of(
            key,
            normalizer.features,
            normalizer.actions,
            spec.horizon,
            discrete=isinstance(spec.action, Discrete),
            layers=self.layers,
            heads=self.heads,
            width=self.width,
        )
        return Agent(Learner.of(model, self.optimizer()), normalizer)

    def update(self, agent: Agent, batch: Batch, key: PRNGKey, step: Step) -> tuple[Agent, Metrics]:
        batch = agent.normalizer.batch(batch)

        def loss(model: TrajectoryModel) -> Loss:
            windows = jax.vmap(lambda row: window_of(row, model, self.return_scale))(batch)
            prediction = model(windows, self.dropout, key)
            action_loss = cross_entropy_loss if model.discrete else square_loss
            return action_loss(prediction, batch.action, batch["mask"])

        model, metrics = agent.model.descend(self.optimizer(), loss)
        return Agent(model, agent.normalizer), metrics

    def policy(self, agent: Agent) -> "ReturnConditioned":
        best = agent.normalizer.spec.best_return
        target = best if self.target_return is None else jnp.asarray(self.target_return, jnp.float32)
        scale = jnp.asarray(self.return_scale, jnp.float32)
        return ReturnConditioned(agent.model.model, agent.normalizer, target, scale, self.context)


class Memory(eqx.Module):
    """The last steps that were lived, and what comes next."""

    window: Window
    return_to_go: Float[Array, ""]  # raw: the target less the rewards so far
    timestep: Step


class ReturnConditioned(Policy):
    """Acts as in an episode that brings the target return. A key samples discrete actions; continuous ones have no
    distribution."""

    model: TrajectoryModel
    normalizer: Normalizer
    target_return: Float[Array, ""]  # raw
    return_scale: Float[Array, ""]
    context: int = static()

    def begin(self) -> Memory:
        window = Window.empty(self.context, self.normalizer.features, self.normalizer.actions)
        return Memory(window, self.target_return, jnp.zeros((), jnp.int32))

    def act(self, memory: Memory, obs: PyTree, key: PRNGKey | None) -> tuple[Array, Memory]:
        unknown = jnp.zeros(self.normalizer.actions)  # which the prediction does not see
        to_go = memory.return_to_go / self.return_scale
        window = memory.window.then(self.normalizer.obs(obs), unknown, to_go, memory.timestep, jnp.ones(()))
        action = self.model(jax.tree.map(lambda column: column[None], window))[0, -1]
        if self.model.discrete:
            action = jnp.argmax(action) if key is None else jax.random.categorical(key, action)
        window = replace(window, action=window.action.at[-1].set(self.model.encode(action)))
        return self.normalizer.from_unit(action), Memory(window, memory.return_to_go, memory.timestep + 1)

    def observe(self, memory: Memory, reward: Float[Array, ""]) -> Memory:
        return replace(memory, return_to_go=memory.return_to_go - reward)


def window_of(batch: Batch, model: TrajectoryModel, return_scale: Scalar) -> Window:
    """One window of a batch in the networks' units, as the model takes it."""
    to_go = batch["return_to_go"] / return_scale
    return Window(batch.obs, model.encode(batch.action), to_go, batch["timestep"], batch["mask"])


def square_loss(prediction: Float[Array, "B T A"], action: Float[Array, "B T A"], mask: Float[Array, "B T"]) -> Loss:
    """Algorithm 1: the mean of (a - prediction)^2 over what is not padding, and over the entries of an action."""
    square = jnp.mean((action - prediction) ** 2, axis=-1)
    loss = jnp.sum(mask * square) / jnp.sum(mask)
    return loss, {"actor_loss": loss}


def cross_entropy_loss(logits: Float[Array, "B T A"], action: Int[Array, "B T"], mask: Float[Array, "B T"]) -> Loss:
    """Section 3: the mean of -log p(a) over what is not padding."""
    entropy = optax.softmax_cross_entropy_with_integer_labels(logits, action)
    loss = jnp.sum(mask * entropy) / jnp.sum(mask)
    return loss, {"actor_loss": loss}
