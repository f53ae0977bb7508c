"""Orders of policies, against SciPy and by hand."""

import numpy as np
import pytest
from scipy import stats

from mooring.ope.ranking import agreement, false_better, regret_at, spearman


def test_spearman_with_ties_is_scipys() -> None:
    rng = np.random.default_rng(0)
    first, second = rng.integers(0, 5, (2, 30)).astype(float)
    assert spearman(first, second) == pytest.approx(stats.spearmanr(first, second).statistic)
    assert np.isnan(spearman(np.ones(3), np.arange(3.0)))


def test_regret_is_what_the_best_of_the_chosen_loses() -> None:
    true = np.array([10.0, 4.0, 8.0, 0.0])
    estimated = np.array([1.0, 3.0, 2.0, 0.0])
    assert [regret_at(k, estimated, true) for k in (1, 2, 3)] == pytest.approx([0.6, 0.2, 0.0])
    assert regret_at(1, estimated, np.ones(4)) == 0


def test_false_better_counts_only_what_was_said_and_is_wrong() -> None:
    said = np.array([True, True, False, True])
    assert false_better(said, np.array([5.0, 1.0, 0.0, 2.0]), behavior=2.0) == 0.5


def test_agreement_is_the_mean_over_pairs() -> None:
    up, down = np.arange(5.0), -np.arange(5.0)
    assert agreement(np.stack([up, up, down])) == pytest.approx((1 - 1 - 1) / 3)
    assert np.isnan(agreement(up[None]))
