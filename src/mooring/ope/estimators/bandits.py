"""Contextual bandits: episodes of a single step, what only they have beside the estimators of longer ones.

With one step, `importance.importance_sampling` is IPS, `weighted_importance_sampling` SNIPS (Swaminathan & Joachims
2015), and `doubly_robust` holds DR (Dudik, Langford & Li 2011, arXiv 1103.4601), SWITCH-DR and DR with shrinkage; they
take `reward_values` for their values. Where a log has positions (a page that shows three items), the position is
a part of the observation, and both policies' probabilities are those in that position: then clicks in one position are
taken not to depend on what the others show.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from mooring.data.dataset import Dataset
from mooring.data.spaces import Discrete
from mooring.errors import BadInput
from mooring.normalizer import Normalizer
from mooring.ope.contributions import Contributions
from mooring.ope.logs import FOLDS, Logs, Values, folds_of

PENALTIES = 10.0 ** np.arange(-4, 4)  # times the mean eigenvalue; ours
CONFIDENCE = 0.05  # of the bound that chooses `lambda`; ours
SPARSE = 10  # rows for each column, below which no products of observation and action are columns; ours

Matrix = Float[np.ndarray, "N D"]


def subgaussian(logs: Logs, values: Values | None = None, strength: float | None = None) -> Contributions:
    """IPS (DR, with values) of weights w / (1 - lambda + lambda w), which are at most 1 / lambda.

    Metelli, Russo & Restelli 2021, "Subgaussian and differentiable importance sampling for off-policy evaluation and
    learning": their power mean of w and 1 with weights 1 - lambda and lambda, ((1 - lambda) w^s + lambda)^(1 / s), at
    s = -1. lambda, the `strength`, is 0 for IPS and 1 for no correction at all.

    Without it, it is sqrt(2 log(1 / 0.05) / (3 n mean(w^2))), and at most 1: the least sum of what it adds to the bias,
    at most lambda E[w^2], and of Bernstein's term for the largest weight, 2 log(1 / 0.05) / (3 n lambda).
    """
    check_single_step(logs)
    known, weight = values or Values.zero(logs), logs.ratio[:, 0]
    if strength is None:
        square = float((weight**2).mean())
        strength = min(1.0, math.sqrt(2 * math.log(1 / CONFIDENCE) / (3 * len(logs) * square))) if square else 0.0
    if not 0 <= strength <= 1:
        raise BadInput("strength", f"found {strength:g}", "from 0 to 1")
    shrunk = np.divide(weight, 1 - strength + strength * weight, out=np.zeros_like(weight), where=weight > 0)
    return Contributions.mean(known.start + shrunk * known.temporal_differences(logs)[:, 0])


def reward_values(
    logs: Logs,
    data: Dataset,
    target: Float[np.ndarray, "N A"],
    *,
    folds: int = FOLDS,
    seed: int = 0,
) -> Values:
    """Mean rewards by ridge regressions, each row's by one that was fitted to other groups' rows (cross-fitting).

    `target` has the probability of every choice in each row or, where actions are continuous, the target's own action.
    Inputs are the observation's entries, the action (one-hot; or itself and its square), and where rows are enough,
    their products. The penalty has the least generalized cross-validation error (Golub, Heath & Wahba 1979). The
    values' `influence` is that of the rows' residuals on the regressions.

    Raises BadInput where episodes are longer than a step, where the target is over other actions than the data, or
    where there are fewer than two groups.
    """
    check_single_step(logs)
    _check_target(target, data)
    features = _features(data)
    taken, expected = _inputs(data, features, data.action), _expected_inputs(data, features, target)
    reward = data.reward.astype(np.float64)
    place = folds_of(logs.groups, folds, seed, data.name)
    q, v, influence = np.empty(len(data)), np.empty(len(data)), np.zeros(len(data))
    for fold in range(int(place.max()) + 1):
        out = place == fold
        model = Ridge.fitted(taken[~out], reward[~out])
        q[out], v[out] = model(taken[out]), model(expected[out])
        influence[~out] += out.sum() * model.influence(expected[out].mean(0), taken[~out], reward[~out])
    return Values(q[:, None], v[:, None], np.zeros((len(data), 1)), influence)


class Ridge(NamedTuple):
    """A ridge regression, and the eigenvalues (penalty added) and axes of its inputs' products."""

    center: Float[np.ndarray, " D"]
    level: float
    slopes: Float[np.ndarray, " D"]
    size: Float[np.ndarray, " D"]
    axes: Float[np.ndarray, "D D"]

    @classmethod
    def fitted(cls, inputs: Float[np.ndarray, "N D"], reward: Float[np.ndarray, " N"]) -> Ridge:
        """With the penalty of the least error; by eigenvalues all penalties cost as much as one."""
        center, level = inputs.mean(0), float(reward.mean())
        inputs, reward = inputs - center, reward - level
        size, axes = np.linalg.eigh(inputs.T @ inputs)
        size, along = np.maximum(size, 0), axes.T @ (inputs.T @ reward)

        def error(penalty: float) -> float:
            fitted = along**2 * (size + 2 * penalty) / (size + penalty) ** 2
            freedom = len(reward) - 1 - (size / (size + penalty)).sum()
            return float((reward @ reward - fitted.sum()) / max(freedom, 1e-9) ** 2)

        penalty = min(PENALTIES * max(float(size.mean()), 1e-12), key=error)
        return cls(center, level, axes @ (along / (size + penalty)), size + penalty, axes)

    def __call__(self, inputs: Float[np.ndarray, "M D"]) -> Float[np.ndarray, " M"]:
        return self.level + (inputs - self.center) @ self.slopes

    def influence(
        self, at: Float[np.ndarray, " D"], inputs: Float[np.ndarray, "N D"], reward: Float[np.ndarray, " N"]
    ) -> Float[np.ndarray, " N"]:
        """How far each row that was fitted moved the prediction at one place."""
        toward = self.axes @ (self.axes.T @ (at - self.center) / self.size)
        return (reward - self(inputs)) * (1 / len(inputs) + (inputs - self.center) @ toward)


def check_single_step(logs: Logs) -> None:
    """Refuses episodes of more than one step."""
    if logs.horizon > 1:
        found = f"its longest episode has {logs.horizon} steps"
        raise BadInput("contextual bandit", found, "episodes of one step", "take the estimators of longer episodes")


def _check_target(target: Float[np.ndarray, "N A"], data: Dataset) -> None:
    space = data.action_space
    width = space.n if isinstance(space, Discrete) else data.action.shape[1]
    if target.shape != (len(data), width):
        found = f"the target policy tells {target.shape}"
        raise BadInput(data.name, found, f"{(len(data), width)}: rows, and choices or entries of an action")
    if isinstance(space, Discrete) and not (np.all(target >= 0) and np.allclose(target.sum(1), 1, atol=1e-4)):
        raise BadInput(data.name, "the target policy's probabilities are not all from 0, with a sum of 1 in each row")


def _features(data: Dataset) -> Float[np.ndarray, "N O"]:
    """Observations standardized, or one-hot."""
    normalizer = Normalizer(data.spec(), True)
    return np.asarray(jax.vmap(normalizer.obs)(jax.tree.map(jnp.asarray, data.obs)), np.float64)


def _inputs(data: Dataset, features: Float[np.ndarray, "N O"], action: np.ndarray) -> Matrix:
    """The regression's columns for one action in each row."""
    if isinstance(data.action_space, Discrete):
        acts = parts = np.eye(data.action_space.n)[action]
    else:
        acts = (action - data.action.mean(0)) / np.maximum(data.action.std(0), 1e-6)
        parts = np.concatenate([acts, acts**2], axis=1)
    columns = features.shape[1] * acts.shape[1]
    products = (
        features[:, :, None] * acts[:, None, :] if columns * SPARSE <= len(data) else features[:, :, None][..., :0]
    )
    return np.concatenate([features, parts, products.reshape(len(features), -1)], axis=1)


def _expected_inputs(data: Dataset, features: Float[np.ndarray, "N O"], target: Float[np.ndarray, "N A"]) -> Matrix:
    """The columns' means under the target, by row: predictions are linear in them."""
    if not isinstance(data.action_space, Discrete):
        return _inputs(data, features, target)
    total = np.zeros_like(_inputs(data, features, data.action))
    for action in range(data.action_space.n):
        total += target[:, action, None] * _inputs(data, features, np.full(len(features), action))
    return total
