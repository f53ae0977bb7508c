"""The words that every room shares: spaces, `Spec`, `Batch`, `Algorithm`, `Source`, `Policy`."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple, TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Bool, Float, Key, PyTree, Shaped

from mooring import settings
from mooring.errors import BadInput

if TYPE_CHECKING:
    from mooring.data.dataset import Dataset
    from mooring.sources import Replay

Metrics = dict[str, Array]
"""Named numbers of one update: each a scalar, or one number per row of the batch (which a source may read).

NaN means that this step did not measure it; the loop averages over the steps that did."""

ActionKind = Literal["continuous", "discrete"]
PRNGKey = Key[Array, ""]
Step = Shaped[Array, ""]  # how many updates were made before
Scalar = Float[Array, ""] | float  # a setting: traced where a population sweeps over it
Loss = tuple[Float[Array, ""], Metrics]
Aside = TypeVar("Aside")  # what a loss tells beside its value


def static(default: Any = ...) -> Any:
    """A field that fixes a shape, a loop's length or a branch: it is compiled in and can not be swept by vmap."""
    return eqx.field(static=True) if default is ... else eqx.field(static=True, default=default)


class Box(eqx.Module):
    """A float vector (D,): its bounds, and its mean and standard deviation in the data."""

    low: Float[Array, " D"]
    high: Float[Array, " D"]
    mean: Float[Array, " D"]
    std: Float[Array, " D"]


class Discrete(eqx.Module):
    """One of the integers 0 .. n-1."""

    n: int = eqx.field(static=True)


class Image(eqx.Module):
    """A uint8 array of the given shape (height, width, channels)."""

    shape: tuple[int, ...] = eqx.field(static=True)


Space = Box | Discrete | Image
ObsSpace = Space | dict[str, Space]


class Spec(eqx.Module):
    """What observations, actions and rewards are: all that a network's shapes and a normalizer need."""

    obs: ObsSpace
    action: Box | Discrete
    reward_scale: Float[Array, ""]  # learning sees reward_scale * reward + reward_shift; scores see the reward
    reward_shift: Float[Array, ""]
    horizon: int = eqx.field(static=True)  # most steps of an episode
    best_return: Float[Array, ""] = eqx.field(default_factory=lambda: scalar(math.nan))  # raw; of logged episodes


NEXT_ACTION = "next_action"
"""The extra column with the action taken in next_obs."""


class Batch(eqx.Module):
    """B transitions, or windows of them with axes (B, T). next_obs is never the observation after a reset.

    `continues` is 0 only where the MDP terminated, 1 at a time limit, and in between where the next observation is
    several steps away (see Dataset). `extra` holds the further columns that the algorithm asked for by `columns`.
    """

    obs: PyTree[Shaped[Array, "..."]]
    action: Shaped[Array, "..."]
    reward: Float[Array, "..."]
    next_obs: PyTree[Shaped[Array, "..."]]
    continues: Float[Array, "..."]
    extra: dict[str, Array] = eqx.field(default_factory=dict)

    def __getitem__(self, column: str) -> Array:
        return self.extra[column]


class Policy(eqx.Module):
    """What is shipped: it maps one raw observation to one action, both in the environment's own units.

    A policy with memory (recurrent, sequence) returns its first memory from `begin`, changes it in `act`, and sees
    each reward in `observe`; others keep the empty tuple.
    """

    def begin(self) -> PyTree:
        """The memory at the start of an episode."""
        return ()

    @abstractmethod
    def act(self, memory: PyTree, obs: PyTree, key: PRNGKey | None) -> tuple[Array, PyTree]:
        """The action for one observation, and the next memory. Without a key: greedy."""

    def observe(self, memory: PyTree, reward: Float[Array, ""]) -> PyTree:
        """The memory after the reward (raw) that the last action brought."""
        return memory

    def log_prob(self, memory: PyTree, obs: PyTree, action: Array) -> Float[Array, ""] | None:
        """The log probability (density, of a continuous action) with which `act` takes the action by a random key.

        None where the policy does not know it, or is deterministic.
        """
        return None


class Source(eqx.Module):
    """Where batches come from: offline, online, prioritized and model-based training differ only here.

    Fields are data that all members of a population share; the state is each member's own.
    """

    def init(self, key: PRNGKey) -> PyTree:
        """The first state."""
        return ()

    def refresh(self, state: PyTree, algorithm: Algorithm, agent: PyTree, key: PRNGKey) -> PyTree:
        """Called once before each chunk of updates (imagined rollouts, for one)."""
        return state

    @abstractmethod
    def sample(self, state: PyTree, key: PRNGKey, size: int) -> Batch:
        """`size` rows, or windows of rows."""

    def feedback(self, state: PyTree, batch: Batch, metrics: Metrics) -> PyTree:
        """Takes back what the update learned about the rows it was given (priorities, for one)."""
        return state

    def exchanges(self) -> tuple[int, ...]:
        """After how many updates, each time, the host has to give the device other data (see `at`); mostly never."""
        return ()

    def at(self, step: int) -> Source:
        """The source with the data for the updates from `step` on; called on the host, before each chunk."""
        return self

    def close(self) -> None:
        """Lets go of what `at` holds: files, threads, data read ahead."""


class Stage(NamedTuple):
    """A model that is trained first, by the same loop, and then becomes a field of the algorithm."""

    field: str
    algorithm: Algorithm
    steps: int


class Control(NamedTuple):
    """A float setting that follows the scores of episodes while a policy acts (see `hooks.control.Controller`)."""

    setting: str
    proportional: Scalar  # K_P
    derivative: Scalar  # K_D
    target: Scalar  # of scores: 0 is a random policy's, 1 an expert's


class Checkpoints(NamedTuple):
    """How episodes judge the policies that act, to keep the best (see `hooks.checkpoints.KeepBest`)."""

    episodes: int  # that judge a policy
    since: int  # steps that were lived before it is so many; until then one
    forgotten: Scalar  # what the kept policy's worst return is multiplied by at that time


class Algorithm(eqx.Module):
    """Hyper-parameters as fields, and pure functions of them.

    A float field that stands in a formula is a pytree leaf and may be traced, so a sweep over it is one `vmap`.
    Fields made with `static` fix shapes, lengths or branches. Every algorithm has a static `batch_size`.
    """

    name: ClassVar[str]  # on the command line; the continuous and the discrete form of one method share it
    actions: ClassVar[tuple[ActionKind, ...]]
    columns: ClassVar[tuple[str, ...]] = ()  # of a batch, beyond its five; see Dataset.column
    batch_size: eqx.AbstractVar[int]

    def __check_init__(self) -> None:
        settings.check(self)

    def source(self, data: Dataset) -> Source:
        """Where this algorithm's batches come from, given logged data."""
        from mooring.sources import uniform

        return uniform(data, self.columns, self.batch_size)

    def online_source(self, logged: Source, lived: Replay, share: float) -> Source:
        """Where batches come from while a policy acts; by default that share of each from the log."""
        from mooring.sources import Mixture

        return Mixture((logged, lived), (share, 1 - share)) if share else lived

    def stages(self) -> tuple[Stage, ...]:
        """What has to be trained first, in order."""
        return ()

    def control(self) -> Control | None:
        """What moves a setting while the policy acts; mostly nothing does."""
        return None

    def checkpoints(self) -> Checkpoints | None:
        """How policies that act are judged, where the best is to be kept; mostly the newest is the best."""
        return None

    def acting(self, agent: Any) -> Policy:
        """What acts while it learns: by default the policy."""
        return self.policy(agent)

    def renewed(self, agent: Any, keep: Bool[Array, ""], renew: Bool[Array, ""]) -> Any:
        """With `checkpoints`: the policy that acts is kept, the newest one acts from now on, or both."""
        return agent

    @abstractmethod
    def init(self, key: PRNGKey, spec: Spec) -> Any:
        """A fresh agent: the training state."""

    @abstractmethod
    def update(self, agent: Any, batch: Batch, key: PRNGKey, step: Step) -> tuple[Any, Metrics]:
        """One update of every network that this step updates."""

    @abstractmethod
    def policy(self, agent: Any) -> Policy:
        """What evaluation, off-policy estimates and export see."""

    def adopt(self, other: Algorithm, agent: Any, key: PRNGKey, spec: Spec) -> Any:
        """The agent to go on with online, from the one that `other` has trained on logged data.

        By default that one itself, where it has the form of this algorithm's own. Raises BadInput where it does not.
        """

        def form(agent: Any) -> Any:
            return jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype), agent)

        if form(jax.eval_shape(self.init, key, spec)) != form(agent):
            found = f"its agent is not of the form that {type(self).__name__} needs"
            raise BadInput(f"a run of {type(other).__name__}", found, fix="use one with the same networks and widths")
        return agent

    def result(self, agent: Any) -> Any:
        """What this algorithm leaves behind as a stage of another one."""
        return self.policy(agent)


class Learner(eqx.Module):
    """A model and its optimizer's state; `descend` is the only thing that changes them."""

    model: Any
    state: optax.OptState

    @classmethod
    def of(cls, model: Any, optimizer: optax.GradientTransformation) -> Learner:
        return cls(model, optimizer.init(model))

    def descend(
        self,
        optimizer: optax.GradientTransformation,
        loss: Callable[[Any], tuple[Float[Array, ""], Aside]],
    ) -> tuple[Learner, Aside]:
        """One step down the gradient of `loss(model) -> (scalar, metrics, for one)`; returns those metrics."""
        gradient, aside = jax.grad(loss, has_aux=True)(self.model)
        change, state = optimizer.update(gradient, self.state, self.model)
        return Learner(optax.apply_updates(self.model, change), state), aside


def delayed(due: Shaped[Array, ""], update: Callable[[Any], tuple[Any, Metrics]], agent: Any) -> tuple[Any, Metrics]:
    """`update(agent)` where it is due; else the agent as it is, with metrics that are NaN: not measured."""
    shapes = jax.eval_shape(update, agent)[1]
    idle = lambda agent: (agent, jax.tree.map(lambda m: jnp.full(m.shape, jnp.nan, m.dtype), shapes))
    return jax.lax.cond(due, update, idle, agent)


def track(target: Any, model: Any, rate: Float[Array, ""] | float) -> Any:
    """Polyak averaging: target + rate (model - target), leaf by leaf."""
    return jax.tree.map(lambda slow, fast: slow + rate * (fast - slow), target, model)


def trained(model: Any, where: str) -> Any:
    """What a stage has left in a field; an error that names the field where nothing has."""
    if model is None:
        raise BadInput(where, "is not trained", fix="train the algorithm's stages first")
    return model


def scalar(value: float) -> Float[Array, ""]:
    return jax.device_put(np.float32(value))  # jnp.asarray would compile a program for it
