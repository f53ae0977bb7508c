"""SR-DICE: density ratios that are linear in features, by the features' own successors and a least-squares fit.

Fujimoto, Meger and Precup 2021, "A Deep Reinforcement Learning Approach to Marginalized Importance Sampling with the
Successor Representation", arXiv 2106.06854.

Three things are learned, one after the other: features phi(s, a) that tell what follows (a stage), their discounted
sums psi under the target policy, and the ratio w = phi^T b.

Departures: the last step is solved exactly, in place of gradient steps; features of discrete actions see them one-hot;
where the MDP ends, psi goes on at a new start (see `dice`).
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, PyTree, Shaped

from mooring.data.columns import take
from mooring.data.dataset import Dataset
from mooring.loop import member
from mooring.networks.mlp import MLP
from mooring.normalizer import Normalizer
from mooring.ope.learned.episodes import Episodes
from mooring.ope.learned.expectations import averaged, expected, in_parts
from mooring.settings import Count, NonNegative, Positive, Unit, Widths
from mooring.training import Trained
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
    Source,
    Spec,
    Stage,
    Step,
    static,
    track,
    trained,
)

REWARD_WEIGHT = 0.1  # of the reward's error in the features' loss; published code


class Features(eqx.Module):
    """phi(s, a), whose entries are not negative."""

    net: MLP
    choices: int = eqx.field(static=True)  # of discrete actions; 0 where they are continuous

    @classmethod
    def of(cls, key: PRNGKey, normalizer: Normalizer, hidden: tuple[int, ...], width: int) -> Features:
        choices = normalizer.actions if isinstance(normalizer.spec.action, Discrete) else 0
        return cls(MLP.of(key, normalizer.features + normalizer.actions, hidden, width), choices)

    def __call__(self, obs: Float[Array, " O"], action: Shaped[Array, "..."]) -> Float[Array, " K"]:
        return jax.nn.relu(self.net(jnp.concatenate([obs, self.vector(action)])))

    def vector(self, action: Shaped[Array, "..."]) -> Float[Array, " A"]:
        """The action as numbers: one-hot where it is discrete."""
        return jax.nn.one_hot(action, self.choices) if self.choices else action


class Successors(eqx.Module):
    """psi(s, a): K numbers for each pair of observation and action."""

    net: MLP
    width: int = eqx.field(static=True)

    @classmethod
    def of(cls, key: PRNGKey, normalizer: Normalizer, hidden: tuple[int, ...], width: int) -> Successors:
        if isinstance(normalizer.spec.action, Discrete):
            return cls(MLP.of(key, normalizer.features, hidden, normalizer.actions * width), width)
        return cls(MLP.of(key, normalizer.features + normalizer.actions, hidden, width), width)

    def __call__(self, obs: Float[Array, " O"], action: Shaped[Array, "..."]) -> Float[Array, " K"]:
        if action.ndim:
            return self.net(jnp.concatenate([obs, action]))
        return self.all(obs)[action]

    def all(self, obs: Float[Array, " O"]) -> Float[Array, "A K"]:
        """psi of every discrete action."""
        return self.net(obs).reshape(-1, self.width)


class Decoders(eqx.Module):
    """What the features have to tell: the next observation and the action by networks, the reward linearly."""

    features: Features
    next_obs: MLP
    action: MLP
    reward: MLP


class Encoding(eqx.Module):
    """The training state of the stage."""

    model: Learner
    normalizer: Normalizer


class FeatureLearner(Algorithm):
    """Features from which the next observation, the action and the reward can be told."""

    actions: ClassVar[tuple[ActionKind, ...]] = ("continuous", "discrete")

    learning_rate: Positive = 3e-4  # published code
    width: Count = static(256)  # K; published code
    batch_size: Count = static(256)  # published code
    hidden: Widths = static((256,))  # published code
    standardize: bool = static(True)  # standardize observations; ours

    def init(self, key: PRNGKey, spec: Spec) -> Encoding:
        normalizer = Normalizer(spec, self.standardize)
        keys = jax.random.split(key, 4)
        model = Decoders(
            Features.of(keys[0], normalizer, self.hidden, self.width),
            MLP.of(keys[1], self.width, self.hidden, normalizer.features),
            MLP.of(keys[2], self.width, self.hidden, normalizer.actions),
            MLP.of(keys[3], self.width, (), 1),
        )
        return Encoding(Learner.of(model, optax.adam(self.learning_rate)), normalizer)

    def update(self, agent: Encoding, batch: Batch, key: PRNGKey, step: Step) -> tuple[Encoding, Metrics]:
        rows = agent.normalizer.batch(batch)
        model, metrics = agent.model.descend(optax.adam(self.learning_rate), lambda model: feature_loss(model, rows))
        return Encoding(model, agent.normalizer), metrics

    def policy(self, agent: Encoding) -> Policy:
        from mooring.policies import UniformPolicy

        return UniformPolicy(agent.normalizer.spec.action)

    def result(self, agent: Encoding) -> Features:
        features: Features = agent.model.model.features
        return features


def feature_loss(model: Decoders, rows: Batch) -> Loss:
    """Mean square errors of next observation, action and (times 0.1) reward, told from phi(s, a)."""
    phi = jax.vmap(model.features)(rows.obs, rows.action)
    told = (jax.vmap(net)(phi) for net in (model.next_obs, model.action, model.reward))
    true = (rows.next_obs, jax.vmap(model.features.vector)(rows.action), rows.reward[:, None])
    of_obs, of_action, of_reward = (jnp.mean((a - b) ** 2) for a, b in zip(told, true, strict=True))
    loss = of_obs + of_action + REWARD_WEIGHT * of_reward
    return loss, {"feature_loss": loss}


class Agent(eqx.Module):
    """psi, and the copy of it that follows slowly."""

    successors: Learner
    target: Successors
    normalizer: Normalizer


class SRDICE(Algorithm):
    """Density ratios by successor features: no game, but one regression on a one-step look-ahead and a linear fit."""

    name: ClassVar[str] = "sr-dice"
    actions: ClassVar[tuple[ActionKind, ...]] = ("continuous", "discrete")
    watched: ClassVar[str] = "successor_loss"

    features: Any = None  # left behind by the stage, or given: (features of s, a in [-1, 1]) to K numbers
    target: Policy | None = None  # whose ratios are learned; without memory
    discount: Unit = 0.99  # gamma
    learning_rate: Positive = 3e-4  # of psi; published code
    target_rate: Unit = 0.005  # tau, with which the copy of psi follows; published code
    ridge: NonNegative = 1e-3  # added to the features' second moments, as a share of their mean; ours
    width: Count = static(256)  # K; published code
    feature_steps: Count = static(30_000)  # updates of the features; ours
    batch_size: Count = static(256)  # published code
    hidden: Widths = static((256, 256))  # of psi; published code
    standardize: bool = static(True)  # standardize observations; ours

    def stages(self) -> tuple[Stage, ...]:
        if self.features is not None:
            return ()
        learner = FeatureLearner(width=self.width, batch_size=self.batch_size, standardize=self.standardize)
        return (Stage("features", learner, self.feature_steps),)

    def source(self, data: Dataset) -> Source:
        return Episodes.of(data, resampled=False)

    def init(self, key: PRNGKey, spec: Spec) -> Agent:
        normalizer = Normalizer(spec, self.standardize)
        successors = Successors.of(key, normalizer, self.hidden, self.width)
        return Agent(Learner.of(successors, optax.adam(self.learning_rate)), successors, normalizer)

    def update(self, agent: Agent, batch: Batch, key: PRNGKey, step: Step) -> tuple[Agent, Metrics]:
        policy, features = trained(self.target, "SRDICE.target"), trained(self.features, "SRDICE.features")
        rows, (next_key, start_key) = agent.normalizer.batch(replace(batch, extra={})), jax.random.split(key)
        after = expected(agent.target, policy, agent.normalizer, batch.next_obs, next_key)
        start = expected(agent.target, policy, agent.normalizer, batch["start"], start_key)
        phi, on = jax.vmap(features)(rows.obs, rows.action), rows.continues[:, None]
        told = phi + self.discount * (on * after + (1 - on) * jnp.mean(start, axis=0)[None])
        successors, metrics = agent.successors.descend(
            optax.adam(self.learning_rate), lambda psi: successor_loss(psi, rows, told)
        )
        return Agent(successors, track(agent.target, successors.model, self.target_rate), agent.normalizer), metrics

    def policy(self, agent: Agent) -> Policy:
        policy: Policy = trained(self.target, "SRDICE.target")
        return policy

    def row_ratios(self, run: Trained, data: Dataset) -> Float[np.ndarray, "M N"]:
        """Each member's w of every row of the data."""
        ratios, policy = [], trained(self.target, "SRDICE.target")
        algorithms: Any = run.algorithms
        for index in range(len(run.members)):
            agent, features = member(run.run.agent, index), member(algorithms.features, index)
            phi = in_parts(partial(_phi, features, agent.normalizer), (data.obs, data.action), jax.random.key(0))[0]
            first = (take(data.obs, data.starts),)
            start = in_parts(partial(_start, agent, policy), first, jax.random.key(index))[0]
            ratios.append(linear_ratio(phi, start, self.discount, self.ridge))
        return np.stack(ratios)


@eqx.filter_jit
def _phi(features: Any, normalizer: Normalizer, obs: PyTree, action: Array, key: PRNGKey) -> Float[Array, "1 B K"]:
    return jax.vmap(lambda s, a: features(normalizer.obs(s), normalizer.to_unit(a)))(obs, action)[None]


@eqx.filter_jit
def _start(agent: Agent, policy: Policy, obs: PyTree, key: PRNGKey) -> Float[Array, "1 B K"]:
    return averaged(agent.target, policy, agent.normalizer, obs, key)[None]


def successor_loss(successors: Successors, rows: Batch, told: Float[Array, "B K"]) -> Loss:
    """The mean square of psi(s, a) - (phi(s, a) + gamma E[psi_target(s', a')])."""
    loss = jnp.mean((jax.vmap(successors)(rows.obs, rows.action) - told) ** 2)
    return loss, {"successor_loss": loss}


def linear_ratio(
    phi: Float[np.ndarray, "N K"], start: Float[np.ndarray, "E K"], discount: float, ridge: float
) -> Float[np.ndarray, " N"]:
    """w = phi^T b with b where E_D[(phi^T b)^2] / 2 - (1 - gamma) E[psi_0^T b] is least, but for the ridge.

    The gradient is 0 where E_D[phi phi^T] b = (1 - gamma) E[psi_0].
    """
    moments = phi.T @ phi / len(phi)
    moments += ridge * np.trace(moments) / len(moments) * np.eye(len(moments))
    b = np.linalg.lstsq(moments, (1 - discount) * start.mean(0), rcond=None)[0]
    return phi @ b
