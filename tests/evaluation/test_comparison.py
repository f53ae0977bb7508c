"""Each statistic against SciPy's or one worked by hand; and do 95 % intervals hold the truth in 95 % of repetitions?"""

import numpy as np
import pytest
from scipy import stats

from mooring.errors import BadInput
from mooring.evaluation.comparison import (
    aggregate,
    mean_difference,
    optimality_gap,
    performance_profile,
    probability_of_improvement,
    sample_efficiency,
)
from mooring.evaluation.statistics import Estimate, bootstrap, iqm, mean, median, summarize


def runs(*scores):
    return {f"task {index}": np.array(each, float) for index, each in enumerate(scores)}


def normal(random, levels, spread, seeds):
    """Run scores around each task's level."""
    return runs(*(random.normal(level, spread, seeds) for level in levels))


def collapsing(random, tasks, share, seeds):
    """Runs near 105, a share of which end near 20."""
    return runs(
        *(np.where(random.random(seeds) < share, 20.0, 105.0) + random.normal(0, 5, seeds) for _ in range(tasks))
    )


def coverage(intervals: list[Estimate], truth: float) -> float:
    return float(np.mean([each.low <= truth <= each.high for each in intervals]))


# -- Aggregates ---------------------------------------------------------------------------------------------------


def test_iqm_of_all_runs_is_scipys_trimmed_mean():
    scores = normal(np.random.default_rng(0), [10, 50, 90], 20, 8)
    pooled = np.concatenate(list(scores.values()))
    assert aggregate(scores).value == pytest.approx(stats.trim_mean(pooled, 0.25))
    assert aggregate(scores) == bootstrap(np.array(list(scores.values()))[..., None])


def test_the_median_is_of_tasks_means():
    scores = runs([1, 2, 6], [0, 0, 300], [50, 51, 52])
    assert aggregate(scores, median).value == pytest.approx(51)
    assert aggregate(scores, mean).value == pytest.approx((3 + 100 + 51) / 3)


def test_one_task_is_summarized():
    scores = np.array([10.0, 20.0, 60.0, 70.0])
    assert aggregate(runs(scores), median) == summarize(scores, median)
    assert summarize(scores, median).value == 40
    one, other = summarize(scores, median), summarize(scores, mean)
    assert one.high - one.low == pytest.approx(np.sqrt(np.pi / 2) * (other.high - other.low))


def test_pooling_wants_as_many_seeds_on_every_task():
    with pytest.raises(BadInput, match="between 2 and 3 by task"):
        aggregate(runs([1, 2], [1, 2, 3]))


# -- Optimality gap -----------------------------------------------------------------------------------------------


def test_optimality_gap_by_hand():
    # Shortfalls 0, 40 and 10, 0, 5: means 20 and 5.
    assert optimality_gap(runs([120, 60], [90, 100, 95])).value == 12.5
    assert optimality_gap(runs([120, 60], [90, 100, 95]), target=80.0).value == 5


def test_below_the_target_the_gap_is_as_sure_as_the_mean():
    scores = np.array([20.0, 35.0, 50.0, 42.0])
    gap, middle = optimality_gap(runs(scores)), summarize(scores, mean)
    np.testing.assert_allclose([gap.value, gap.low, gap.high], 100 - np.array([middle.value, middle.high, middle.low]))


def test_runs_that_all_reach_the_target_make_no_certain_zero():
    gap = optimality_gap(runs([101, 104, 108]))
    assert (gap.value, gap.low) == (0, 0)
    assert gap.high == pytest.approx(stats.t.ppf(0.975, 2) * np.std([101, 104, 108], ddof=1) / np.sqrt(3))


# -- Differences --------------------------------------------------------------------------------------------------


def test_the_difference_on_one_task_is_welchs():
    random = np.random.default_rng(0)
    first, second = random.normal(5, 1, 4), random.normal(3, 6, 7)
    expected = stats.ttest_ind(first, second, equal_var=False).confidence_interval(0.95)
    found = mean_difference(runs(first), runs(second))
    np.testing.assert_allclose([found.low, found.high], [expected.low, expected.high])
    assert found.value == pytest.approx(first.mean() - second.mean())


def test_tasks_far_apart_do_not_blur_a_difference():
    first, second = runs([10, 12, 14], [110, 112, 114]), runs([5, 7, 9], [105, 107, 109])
    found = mean_difference(first, second)
    assert found.value == 5
    error = np.sqrt(4 * (4 / 3)) / 2  # four cells of variance 4 and three runs each, over two tasks
    assert found.high == pytest.approx(5 + stats.t.ppf(0.975, 8) * error)


# -- Probability of improvement -----------------------------------------------------------------------------------


def test_probability_of_improvement_is_scipys_mann_whitney_statistic():
    random = np.random.default_rng(0)
    for _ in range(20):
        first, second = random.integers(0, 6, 7), random.integers(0, 6, 4)  # with many ties
        expected = stats.mannwhitneyu(first, second).statistic / 28
        assert probability_of_improvement({"a": first}, {"a": second}).value == pytest.approx(expected)


def test_the_interval_is_scipys_wilson_interval():
    first, second = runs([3, 4, 5], [1, 9, 9]), runs([1, 2, 2.5], [5, 8, 0])
    found = probability_of_improvement(first, second)
    assert found.value == pytest.approx((1 + 7 / 9) / 2)
    # SciPy takes whole counts only, so one of six is checked, and the formula by its own equation.
    for end in (found.low, found.high):
        assert (end - found.value) ** 2 == pytest.approx(stats.norm.ppf(0.975) ** 2 * end * (1 - end) / 6)
    whole = probability_of_improvement(runs([3, 4, 5, 5, 1, 2]), runs([2.5] * 6))
    expected = stats.binomtest(4, 6).proportion_ci(method="wilson")
    np.testing.assert_allclose([whole.low, whole.high], [expected.low, expected.high])


@pytest.mark.parametrize("seeds", [3, 4, 5, 6])
def test_no_overlap_means_better_just_where_the_exact_test_says_so(seeds):
    first, second = np.arange(seeds) + 100.0, np.arange(seeds) + 0.0
    found = probability_of_improvement(runs(first), runs(second))
    assert (found.low > 0.5) == (stats.mannwhitneyu(first, second, method="exact").pvalue < 0.05)


def test_the_probability_of_being_worse_is_the_rest():
    random = np.random.default_rng(1)
    first, second = normal(random, [0, 1], 1, 5), normal(random, [0.5, 0], 2, 4)
    one, other = probability_of_improvement(first, second), probability_of_improvement(second, first)
    np.testing.assert_allclose([one.value, one.low, one.high], [1 - other.value, 1 - other.high, 1 - other.low])


def test_a_diverged_run_loses_and_ties_with_another():
    nan = np.nan
    assert probability_of_improvement(runs([nan, 1]), runs([-1e9, nan])).value == (0 + 0.5 + 1 + 1) / 4


# -- Profiles -----------------------------------------------------------------------------------------------------


def test_profile_counts_runs_above_each_threshold():
    scores = runs([10, 20, 30, np.nan], [20, 40, 40, 40])
    profile = performance_profile(scores, np.array([0, 20, 35, 100]))
    np.testing.assert_array_equal(profile.value, [7 / 8, 4 / 8, 3 / 8, 0])
    for count, low, high in zip((7, 4, 3, 0), profile.low, profile.high, strict=True):
        expected = stats.binomtest(count, 8).proportion_ci(method="exact")
        np.testing.assert_allclose([low, high], [expected.low, expected.high])
    below = performance_profile(scores, np.array([-1])), stats.binomtest(8, 8).proportion_ci(method="exact")
    assert performance_profile(runs([1, 2]), np.array([0])).high == below[1].high == 1


def test_tasks_count_alike_in_a_profile():
    profile = performance_profile(runs([1, 1, 1, 1, 1, 1], [0, 0]), np.array([0.5]))
    assert profile.value[0] == 0.5
    expected = stats.binomtest(2, 4).proportion_ci(method="exact")
    assert profile.low[0] == pytest.approx(expected.low)


# -- Curves -------------------------------------------------------------------------------------------------------


def test_efficiency_is_the_aggregate_at_common_steps():
    random = np.random.default_rng(0)
    one, other = random.normal(50, 10, (3, 4)), random.normal(20, 10, (2, 4))
    curves = {"a": (np.array([10, 20, 30]), one), "b": (np.array([10, 30]), other)}
    band = sample_efficiency(curves, iqm)
    np.testing.assert_array_equal(band.at, [10, 30])
    expected = [aggregate({"a": one[0], "b": other[0]}), aggregate({"a": one[2], "b": other[1]})]
    np.testing.assert_array_equal(band.value, [each.value for each in expected])
    np.testing.assert_array_equal(band.high, [each.high for each in expected])
    broken = other.copy()
    broken[1, 0] = np.nan
    assert np.isnan(sample_efficiency({**curves, "b": (np.array([10, 30]), broken)}).value).tolist() == [False, True]
    with pytest.raises(BadInput, match="no common step"):
        sample_efficiency({"a": (np.array([10]), one[:1]), "b": (np.array([20]), other[:1])})


# -- Too little, and nonsense -------------------------------------------------------------------------------------


def test_one_seed_bounds_nothing():
    one, more = runs([30.0], [40.0]), runs([1.0, 2.0], [3.0, 4.0])
    for estimate in (aggregate(one), aggregate(one, median), optimality_gap(one), mean_difference(one, more)):
        assert (estimate.low, estimate.high) == (-np.inf, np.inf)
    assert probability_of_improvement(one, more) == Estimate(1.0, 0.0, 1.0)


@pytest.mark.parametrize("compare", [mean_difference, probability_of_improvement])
def test_different_tasks_are_not_compared(compare):
    with pytest.raises(BadInput, match="only one of the two methods was run on b, c"):
        compare({"a": np.ones(2), "b": np.ones(2)}, {"a": np.ones(2), "c": np.ones(2)})


@pytest.mark.parametrize("statistic", [aggregate, optimality_gap])
def test_a_diverged_run_is_not_averaged(statistic):
    with pytest.raises(BadInput, match="scores on task 1: 1 of 2 are not finite"):
        statistic(runs([1, 2], [np.nan, 3]))
    with pytest.raises(BadInput, match="there are none"):
        statistic({})


# -- Coverage -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seeds", [3, 5, 10])
def test_coverage_of_the_optimality_gap(seeds):
    """Three tasks: far below the expert, at it and above it; and all a little above it, where few runs fall short."""
    random = np.random.default_rng(seeds)
    for levels in ([60, 100, 110], [108, 108, 108]):
        short = [(100 - level) / 8 for level in levels]
        truth = np.mean([8 * (each * stats.norm.cdf(each) + stats.norm.pdf(each)) for each in short])
        trials = [optimality_gap(normal(random, levels, 8, seeds)) for _ in range(400)]
        assert coverage(trials, truth) >= 0.94


@pytest.mark.parametrize("seeds", [3, 5, 10])
def test_coverage_of_the_probability_of_improvement(seeds):
    """Normal runs as far apart as can hardly be told, and as hardly ever overlap; and of unequal spread."""
    random = np.random.default_rng(seeds)
    for shifts, spread in (([0, 0.5, 1], 1), ([3, 3, 3], 1), ([0, 1, 2], 5)):
        truth = np.mean([stats.norm.cdf(shift / np.hypot(1, spread)) for shift in shifts])
        trials = [
            probability_of_improvement(normal(random, shifts, spread, seeds), normal(random, [0, 0, 0], 1, seeds))
            for _ in range(400)
        ]
        assert coverage(trials, truth) >= 0.94


@pytest.mark.parametrize("seeds", [3, 5, 10])
def test_coverage_of_profiles_where_a_tenth_of_the_runs_collapse(seeds):
    random, thresholds = np.random.default_rng(seeds), np.array([0.0, 20.0, 60.0, 105.0, 110.0])
    truth = 0.1 * stats.norm.sf(thresholds, 20, 5) + 0.9 * stats.norm.sf(thresholds, 105, 5)
    for tasks in (1, 4):
        bands = [performance_profile(collapsing(random, tasks, 0.1, seeds), thresholds) for _ in range(400)]
        held = np.mean([(band.low <= truth) & (truth <= band.high) for band in bands], axis=0)
        assert held.min() >= 0.94


@pytest.mark.parametrize("seeds", [3, 5, 10])
def test_coverage_of_the_median_over_tasks(seeds):
    random, levels = np.random.default_rng(seeds), [20, 50, 80, 90, 110]
    trials = [np.array(list(normal(random, levels, 10, seeds).values()))[..., None] for _ in range(200)]
    estimates = [aggregate({str(task): each[:, 0] for task, each in enumerate(trial)}, median) for trial in trials]
    assert coverage(estimates, 80.0) >= 0.93
