"""Known answers, and coverage by simulation: does a 95 % interval hold the truth in 95 % of repetitions?"""

import numpy as np
import pytest

from mooring.errors import BadInput
from mooring.evaluation.statistics import Estimate, bootstrap, iqm, mean, median, summarize


def seeds_and_episodes(random, tasks, seeds, episodes, seed_spread=1.0):
    """Normal scores around 0: a seed's effect, and noise of deviation 1 on each episode."""
    effect = seed_spread * random.standard_normal((tasks, seeds, 1))
    return effect + random.standard_normal((tasks, seeds, episodes))


def coverage(intervals: list[Estimate], truth: float) -> float:
    return float(np.mean([each.low <= truth <= each.high for each in intervals]))


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([5.0], 5.0),
        ([1.0, 3.0], 2.0),
        ([9.0, 1.0, 2.0], 4.0),  # a quarter of three rounds down to none
        ([100.0, 1.0, 3.0, -50.0], 2.0),
        ([0.0, 1.0, 2.0, 3.0, 100.0], 2.0),
        ([8, 7, 6, 5, 4, 3, 2, 100], 5.5),  # 4, 5, 6, 7
    ],
)
def test_iqm_by_hand(values, expected):
    assert iqm(np.array(values, float)) == expected


def test_statistics_act_on_the_last_axis():
    values = np.array([[1.0, 2.0, 3.0, 40.0], [0.0, 0.0, 8.0, 8.0]])
    np.testing.assert_array_equal(iqm(values), [2.5, 4.0])
    np.testing.assert_array_equal(mean(values), [11.5, 4.0])
    np.testing.assert_array_equal(median(values), [2.5, 4.0])


def test_t_interval_by_hand():
    # Mean 5, standard deviation sqrt(20 / 3), standard error 1.29099, t(3) at 97.5 % = 3.182446.
    result = summarize(np.array([2.0, 4.0, 6.0, 8.0]), mean)
    np.testing.assert_allclose([result.value, result.low, result.high], [5, 5 - 4.108521, 5 + 4.108521], atol=1e-5)
    assert str(result) == "5.0 [0.9, 9.1]"


def test_seeds_are_the_unit():
    """Episodes that all agree within their seed add nothing: the interval is that of the four seeds."""
    seeds = np.array([2.0, 4.0, 6.0, 8.0])
    assert summarize(np.repeat(seeds[:, None], 100, axis=1), mean) == summarize(seeds, mean)


def test_one_seed_falls_back_on_episodes():
    episodes = np.array([2.0, 4.0, 6.0, 8.0])
    assert summarize(episodes[None], mean) == summarize(episodes, mean)
    assert summarize(episodes[None], iqm).value == 5.0  # the IQM of one run score


def test_one_number_bounds_nothing():
    assert summarize(np.array([3.0]), mean) == Estimate(3.0, -np.inf, np.inf)
    assert bootstrap(np.array([[[3.0]], [[5.0]]]), mean) == Estimate(4.0, -np.inf, np.inf)


def test_integers_and_lower_precision_are_taken():
    assert summarize(np.array([2, 4, 6, 8]), mean) == summarize(np.array([2, 4, 6, 8], np.float32), mean)


@pytest.mark.parametrize("scores", [np.array([1.0, np.nan]), np.array([[1.0, np.inf]]), np.zeros((0, 3))])
def test_bad_scores_are_refused(scores):
    """NaN sorts last, where an interquartile mean would leave it out unseen."""
    with pytest.raises(BadInput, match="scores: "):
        summarize(scores)


def test_bootstrap_of_a_mean_is_the_t_interval():
    scores = seeds_and_episodes(np.random.default_rng(0), 1, 6, 5)
    by_hand, resampled = summarize(scores[0], mean), bootstrap(scores, mean, resamples=20_000)
    assert resampled.value == pytest.approx(by_hand.value)
    np.testing.assert_allclose([resampled.low, resampled.high], [by_hand.low, by_hand.high], atol=0.02)


def test_bootstrap_repeats_by_seed():
    scores = seeds_and_episodes(np.random.default_rng(0), 3, 4, 5)
    assert bootstrap(scores, seed=1) == bootstrap(scores, seed=1)
    assert bootstrap(scores, seed=1) != bootstrap(scores, seed=2)


def test_tasks_are_strata():
    """Tasks far apart do not widen the interval: they are given, and only seeds vary."""
    scores = seeds_and_episodes(np.random.default_rng(0), 3, 4, 5)
    apart = scores + 1000 * np.arange(3)[:, None, None]
    near, far = bootstrap(scores, mean), bootstrap(apart, mean)
    assert far.high - far.low == pytest.approx(near.high - near.low)
    assert far.value == pytest.approx(near.value + 1000)


def test_bootstrap_of_one_seed_draws_episodes():
    scores = np.random.default_rng(0).standard_normal((2, 1, 50))
    result = bootstrap(scores, mean, resamples=20_000)
    error = np.sqrt((scores[:, 0].var(axis=1, ddof=1) / 50).sum()) / 2
    assert (result.high - result.low) / 2 == pytest.approx(1.985 * error, rel=0.02)


def test_equal_scores_have_no_spread():
    assert bootstrap(np.ones((2, 3, 4))) == summarize(np.ones((3, 4))) == Estimate(1.0, 1.0, 1.0)


@pytest.mark.parametrize("seed_spread", [0.0, 0.3, 1.0, 3.0])
@pytest.mark.parametrize("statistic", [mean, iqm])
def test_coverage_at_four_seeds(statistic, seed_spread):
    random = np.random.default_rng(1)
    trials = seeds_and_episodes(random, 2000, 4, 10, seed_spread)
    assert 0.93 <= coverage([summarize(trial, statistic) for trial in trials], 0.0) <= 0.97


@pytest.mark.parametrize("statistic", [mean, iqm])
def test_percentile_bootstrap_is_too_narrow_at_four_seeds(statistic):
    """Why `summarize` is not a percentile bootstrap of seeds and episodes."""
    random = np.random.default_rng(2)
    held = []
    for trial in seeds_and_episodes(random, 500, 4, 10):
        seeds, episodes = random.integers(4, size=(500, 4, 1)), random.integers(10, size=(500, 4, 10))
        low, high = np.quantile(statistic(trial[seeds, episodes].mean(-1)), (0.025, 0.975))
        held.append(low <= 0.0 <= high)
    assert np.mean(held) < 0.925


@pytest.mark.parametrize("level", [0.5, 0.8, 0.99])
def test_other_levels(level):
    trials = seeds_and_episodes(np.random.default_rng(3), 2000, 4, 10)
    assert coverage([summarize(trial, mean, level) for trial in trials], 0.0) == pytest.approx(level, abs=0.025)


@pytest.mark.parametrize("statistic", [mean, iqm])
def test_coverage_over_tasks(statistic):
    random = np.random.default_rng(4)
    levels = np.linspace(0, 10, 10)[:, None, None]
    trials = [levels + seeds_and_episodes(random, 10, 4, 10) for _ in range(600)]
    endless = levels + np.sqrt(1 + 1 / 10) * random.standard_normal((10, 50_000, 1))  # run scores of many seeds
    truth = float(statistic(endless.ravel()))
    held = coverage([bootstrap(trial, statistic, resamples=400) for trial in trials], truth)
    assert 0.92 <= held <= 0.98


def test_behavior_mean_over_episodes():
    """Returns of a data set: skewed, bounded, many. The t interval over episodes still covers."""
    random = np.random.default_rng(5)
    trials = random.exponential(100.0, (1000, 100))
    assert 0.925 <= coverage([summarize(trial, mean) for trial in trials], 100.0) <= 0.97
