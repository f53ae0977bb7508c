"""Calibration: true probabilities pass, others do not, and intervals are SciPy's."""

import numpy as np
import pytest
from scipy import stats

from mooring.ope.calibration import Ranks, Reliability, wilson


def choices(rng: np.random.Generator, rows: int, actions: int = 6) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities of all sizes, and actions drawn by them."""
    probability = rng.dirichlet(np.full(actions, 0.3), rows)
    return probability, (rng.uniform(size=(rows, 1)) > probability.cumsum(1)).sum(1)


def test_wilson_is_scipys() -> None:
    for cases, of in ((0, 7), (3, 50), (20, 20)):
        expected = stats.binomtest(cases, of).proportion_ci(method="wilson")
        low, high = wilson(np.array([cases / of]), np.array([of]))
        np.testing.assert_allclose([low[0], high[0]], [expected.low, expected.high], atol=1e-6)


def test_true_probabilities_are_calibrated_and_flattened_ones_are_not() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        probability, action = choices(rng, 2000)
        assert Reliability.of(probability, action).calibrated
        flat = np.sqrt(probability) / np.sqrt(probability).sum(1, keepdims=True)
        found = Reliability.of(flat, action)
        assert not found.calibrated
        assert "were taken in" in found.reason
    assert found.error > 0.02


def test_bins_hold_all_rows_and_equal_shares_of_the_probability() -> None:
    probability, action = choices(np.random.default_rng(1), 5000)
    found = Reliability.of(probability, action)
    assert found.count.sum() == probability.size
    assert (found.predicted * found.count).sum() == pytest.approx(5000)
    assert (found.taken * found.count).sum() == pytest.approx(5000)
    np.testing.assert_allclose(found.predicted * found.count, 500, rtol=0.01)
    assert (np.diff(found.predicted) > 0).all()


def test_equal_probabilities_are_one_bin() -> None:
    action = np.arange(400) % 4
    found = Reliability.of(np.full((400, 4), 0.25), action)
    assert (found.predicted == 0.25).all()
    assert found.error < 0.1


@pytest.mark.parametrize(("width", "true"), [(1.0, True), (0.6, False), (1.8, False)])
def test_ranks_are_uniform_only_where_the_density_is_true(width: float, true: bool) -> None:
    rng = np.random.default_rng(2)
    action = np.clip(rng.normal(size=(1500, 2)), -1.2, 1.2)  # with atoms at the bounds
    draws = rng.normal(size=(50, 1500, 2))
    draws[..., 1] *= width
    found = Ranks.of(action, np.clip(draws, -1.2, 1.2), rng)
    assert found.calibrated == true
    assert true or "entry 1" in found.reason
    np.testing.assert_allclose(found.histogram().sum(1), 1)
    np.testing.assert_allclose(found.stray, [stats.kstest(each, "uniform").statistic for each in found.ranks.T])
