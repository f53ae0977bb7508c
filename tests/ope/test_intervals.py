"""Intervals: known cases, coverage by simulation, clusters, and what each refuses."""

import numpy as np
import pytest
from scipy import stats

from mooring.errors import BadInput
from mooring.ope.contributions import Contributions
from mooring.ope.intervals import (
    bca_bootstrap,
    empirical_bernstein,
    hoeffding,
    student_t,
    studentized_bootstrap,
)


def test_influence_of_a_mean_is_each_deviation() -> None:
    values = np.random.default_rng(0).normal(size=20)
    np.testing.assert_allclose(Contributions.mean(values).influence(), values - values.mean(), atol=1e-12)


def test_influence_of_a_weighted_mean_is_the_delta_methods() -> None:
    rng = np.random.default_rng(1)
    x, w = rng.normal(size=4000), rng.uniform(0.5, 2, 4000)
    estimate = Contributions.weighted(x, w)
    expected = w * (x - estimate.value) / w.mean()
    np.testing.assert_allclose(estimate.influence(), expected, atol=5e-3)


def test_t_interval_of_a_mean_is_scipys() -> None:
    values = np.random.default_rng(2).normal(size=15)
    found = student_t(Contributions.mean(values), 0.9)
    expected = stats.t.interval(0.9, 14, values.mean(), stats.sem(values))
    np.testing.assert_allclose((found.low, found.high), expected)


def test_bca_is_scipys_up_to_its_draws() -> None:
    values = np.random.default_rng(3).exponential(size=60)
    found = bca_bootstrap(Contributions.mean(values), resamples=20_000)
    expected = stats.bootstrap((values,), np.mean, method="BCa", n_resamples=20_000, rng=np.random.default_rng(0))
    interval = expected.confidence_interval
    width = interval.high - interval.low
    assert found.low == pytest.approx(interval.low, abs=0.02 * width)
    assert found.high == pytest.approx(interval.high, abs=0.02 * width)


@pytest.mark.parametrize(
    ("interval", "at_least"), [(student_t, 0.90), (studentized_bootstrap, 0.91), (bca_bootstrap, 0.91)]
)
def test_a_skewed_weighted_mean_is_covered(interval, at_least: float) -> None:  # type: ignore[no-untyped-def]
    rng = np.random.default_rng(4)
    truth, covered = 1.5, 0  # E[w x] / E[w] with w ~ exp and x = 1 + w / 4, of unit exponentials
    for _ in range(400):
        w = rng.exponential(size=80)
        found = interval(
            Contributions.weighted(1 + w / 4 + rng.normal(size=80), w),
            **({} if interval is student_t else {"resamples": 400}),
        )
        covered += found.low <= truth <= found.high
    assert covered / 400 >= at_least


def test_groups_widen_an_interval_whose_episodes_depend_on_each_other() -> None:
    rng = np.random.default_rng(5)
    groups = np.repeat(np.arange(30), 10)
    covered = {"episodes": 0, "groups": 0}
    for _ in range(300):
        estimate = Contributions.mean(rng.normal(size=30)[groups] + rng.normal(size=300) / 4)
        for name, of_units in (("episodes", estimate), ("groups", estimate.by_group(groups))):
            found = student_t(of_units)
            covered[name] += found.low <= 0 <= found.high
    assert covered["groups"] / 300 >= 0.91
    assert covered["episodes"] / 300 <= 0.6


def test_bounds_hold_at_every_size() -> None:
    rng = np.random.default_rng(6)
    for interval in (hoeffding, empirical_bernstein):
        held = 0
        for _ in range(500):
            found = interval(Contributions.mean((rng.random(10) < 0.1).astype(float)), span=1.0)
            held += found.low <= 0.1 <= found.high
        assert held / 500 >= 0.95


def test_bernstein_beats_hoeffding_where_little_varies() -> None:
    values = np.random.default_rng(7).uniform(0.49, 0.51, 5000)
    wide, narrow = (each(Contributions.mean(values), span=1.0) for each in (hoeffding, empirical_bernstein))
    assert narrow.high - narrow.low < (wide.high - wide.low) / 3
    log = np.log(4 / 0.05)
    half = np.sqrt(2 * values.var(ddof=1) * log / 5000) + 7 * log / (3 * 4999)
    assert narrow.high - narrow.value == pytest.approx(half)


def test_a_bound_of_a_self_normalized_estimate_or_of_too_small_a_span_is_refused() -> None:
    values = np.arange(5.0)
    with pytest.raises(BadInput, match="plain mean"):
        hoeffding(Contributions.weighted(values, values + 1), span=9.0)
    with pytest.raises(BadInput, match="spread over 4"):
        hoeffding(Contributions.mean(values), span=2.0)


def test_a_difference_takes_with_it_how_two_estimates_go_together() -> None:
    rng = np.random.default_rng(8)
    shared = rng.normal(size=200)
    difference = Contributions.mean(shared + 1).minus(Contributions.mean(shared))
    found = student_t(difference)
    assert (found.value, found.low, found.high) == pytest.approx((1, 1, 1))


def test_what_was_learned_from_units_widens_an_interval() -> None:
    learned = np.random.default_rng(9).normal(size=100)
    found = student_t(Contributions.mean(np.ones(100), learned))
    expected = stats.t.interval(0.95, 99, 1, stats.sem(learned))
    np.testing.assert_allclose((found.low, found.high), expected)
