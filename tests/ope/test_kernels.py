"""Kernel estimates: formulas by hand, the bounds of actions, coverage, and what is refused."""

import numpy as np
import pytest

from mooring.data import Bounds, Dataset
from mooring.errors import BadInput
from mooring.ope.estimators.bandits import reward_values
from mooring.ope.estimators.kernels import (
    chosen_bandwidth,
    doubly_robust_kernel,
    kernel_importance_sampling,
    kernel_weights,
    weighted_kernel,
)
from mooring.ope.intervals import student_t
from mooring.ope.logs import Logs

SLOPE = 0.8  # of the target's action in the observation
GRID = np.linspace(-1, 1, 20_001)
TRUTH = float((1 - (SLOPE * GRID - np.sin(2 * GRID)) ** 2).mean())


def doses(rng: np.random.Generator, rows: int) -> tuple[Dataset, Logs, np.ndarray]:
    """Normal doses about half of the observation; the best dose is sin(2 obs)."""
    obs = rng.uniform(-1, 1, (rows, 1)).astype(np.float32)
    action = np.clip(obs / 2 + 0.5 * rng.normal(size=(rows, 1)), -3, 3)
    reward = 1 - (action - np.sin(2 * obs))[:, 0] ** 2 + 0.3 * rng.normal(size=rows)
    density = np.exp(-(((action - obs / 2) / 0.5) ** 2) / 2) / 0.5 / np.sqrt(2 * np.pi)
    last, space = np.ones(rows, bool), Bounds.of(-3, 3, 1)
    data = Dataset.build(obs, action, reward, last, next_obs=obs, action_space=space)
    return data, Logs.of(data, 1.0, np.log(density[:, 0], dtype=np.float64)), SLOPE * obs.astype(np.float64)


def test_estimates_are_their_formulas() -> None:
    data, logs, target = doses(np.random.default_rng(0), 40)
    reward, behavior = logs.reward[:, 0], np.exp(logs.log_behavior[:, 0])
    width = 0.4 * data.action.astype(np.float64).std()
    away = ((data.action - target) / width)[:, 0]
    weight = 0.75 * np.maximum(1 - away**2, 0) / width / behavior  # its reach is within the bounds
    values = reward_values(logs, data, target)
    left = reward - values.q[:, 0]
    for found, expected in (
        (kernel_importance_sampling(logs, data, target, 0.4, "epanechnikov"), np.mean(weight * reward)),
        (weighted_kernel(logs, data, target, 0.4, "epanechnikov"), np.sum(weight * reward) / weight.sum()),
        (
            doubly_robust_kernel(logs, data, target, values, 0.4, "epanechnikov"),
            np.mean(values.v[:, 0] + weight * left),
        ),
    ):
        assert found.value == pytest.approx(expected, abs=1e-6)
    bell = np.exp(-(away**2) / 2) / np.sqrt(2 * np.pi) / width / behavior
    np.testing.assert_allclose(kernel_weights(logs, data, target, 0.4), bell, rtol=1e-5)


@pytest.mark.parametrize("kernel", ["gaussian", "epanechnikov"])
def test_nothing_is_lost_at_a_bound(kernel) -> None:  # type: ignore[no-untyped-def]
    rng = np.random.default_rng(1)
    action = rng.uniform(-1, 1, (20_000, 2))
    last, obs = np.ones(20_000, bool), np.zeros((20_000, 1))
    data = Dataset.build(obs, action, np.ones(20_000), last, next_obs=obs, action_space=Bounds.of(-1, 1, 2))
    logs = Logs.of(data, 1.0, np.full(20_000, np.log(0.25)))
    target = np.tile([1.0, -0.9], (20_000, 1))
    found = student_t(kernel_importance_sampling(logs, data, target, 0.3, kernel))
    assert found.value == pytest.approx(1, abs=0.05)
    assert found.low <= 1 <= found.high


@pytest.mark.every
def test_intervals_at_the_chosen_bandwidth_cover() -> None:
    rng = np.random.default_rng(2)
    covered = np.zeros(3)
    for _ in range(60):
        data, logs, target = doses(rng, 600)
        values = reward_values(logs, data, target)
        for place, estimate in enumerate(
            (
                kernel_importance_sampling(logs, data, target),
                weighted_kernel(logs, data, target),
                doubly_robust_kernel(logs, data, target, values),
            )
        ):
            found = student_t(estimate)
            covered[place] += found.low <= TRUTH <= found.high
    assert (covered / 60 >= 0.83).all(), covered / 60


def test_more_rows_have_a_smaller_bandwidth() -> None:

    def taken(rows: int) -> float:
        data, logs, target = doses(np.random.default_rng(3), rows)
        return chosen_bandwidth(lambda width: weighted_kernel(logs, data, target, width))

    assert taken(8000) < taken(300)


def test_what_does_not_fit_is_refused() -> None:
    data, logs, target = doses(np.random.default_rng(4), 20)
    with pytest.raises(BadInput, match="densities are not known"):
        weighted_kernel(Logs.of(data, 1.0), data, target)
    with pytest.raises(BadInput, match="one of the target's for each row"):
        weighted_kernel(logs, data, np.zeros((20, 2)))
    with pytest.raises(BadInput, match="above 0"):
        weighted_kernel(logs, data, target, 0.0)
    with pytest.raises(BadInput, match="gaussian"):
        weighted_kernel(logs, data, target, 0.3, "box")
