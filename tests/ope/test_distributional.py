"""The distribution of returns: against the enumeration of every trajectory, and bands by simulation."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from mooring.data import Dataset
from mooring.errors import BadInput
from mooring.ope.estimators.distributional import behavior_cdf_band, cdf, cdf_band, cvar, quantile, variance
from mooring.ope.intervals import student_t
from mooring.ope.logs import Logs

DISCOUNT = 0.9
DEPTH = 3
BEHAVIOR = (Fraction(1, 4), Fraction(3, 4))  # of actions 0 and 1, in every state
TARGET = ((Fraction(2, 3), Fraction(1, 3)), (Fraction(1, 5), Fraction(4, 5)))  # by state
MOVES = ((Fraction(1, 2), Fraction(1, 2)), (Fraction(1, 4), Fraction(3, 4)))  # to states 0 and 1, by action
REWARD = ((1.0, -0.5), (0.375, 2.0))  # by state and action; in state 1, action 0 ends the episode


def trajectories() -> list[tuple[list[tuple[int, int]], Fraction, Fraction]]:
    """All that can happen from state 0: states and actions, and the probability under behavior and target."""
    found = []

    def follow(state: int, steps: list[tuple[int, int]], behavior: Fraction, target: Fraction) -> None:
        for action in (0, 1):
            so_far = [*steps, (state, action)]
            b, t = behavior * BEHAVIOR[action], target * TARGET[state][action]
            if len(so_far) == DEPTH or (state, action) == (1, 0):
                found.append((so_far, b, t))
                continue
            for after in (0, 1):
                follow(after, so_far, b * MOVES[action][after], t * MOVES[action][after])

    follow(0, [], Fraction(1), Fraction(1))
    return found


def gain(steps: list[tuple[int, int]]) -> float:
    return sum(DISCOUNT**t * REWARD[state][action] for t, (state, action) in enumerate(steps))


def exact_logs() -> Logs:
    """Every trajectory as often, of some hundreds, as its probability under the behavior policy says."""
    listed = trajectories()
    common = np.lcm.reduce([behavior.denominator for _, behavior, _ in listed])
    episodes = [steps for steps, behavior, _ in listed for _ in range(int(behavior * common))]
    rows = [row for steps in episodes for row in steps]
    last = np.concatenate([np.arange(len(steps)) == len(steps) - 1 for steps in episodes])
    state, action = np.array(rows).T
    data = Dataset.build(state, action, [REWARD[s][a] for s, a in rows], last, next_obs=np.zeros(len(rows), int))
    known = [np.log([float(of[s][a]) for s, a in rows]) for of in ((BEHAVIOR, BEHAVIOR), TARGET)]
    return Logs.of(data, DISCOUNT, *known)


LOGS = exact_logs()
RETURNS = np.array([gain(steps) for steps, _, _ in trajectories()])
CHANCE = np.array([float(target) for _, _, target in trajectories()])


def enumerated_quantile(share: float) -> float:
    order = np.argsort(RETURNS)
    return float(RETURNS[order][np.argmax(CHANCE[order].cumsum() >= share)])


@pytest.mark.parametrize("normalized", [True, False])
@pytest.mark.parametrize("share", [0.03, 0.1, 0.25, 0.5, 0.9, 1.0])
def test_quantile_and_cvar_are_those_of_all_trajectories(share: float, normalized: bool) -> None:
    assert CHANCE.sum() == pytest.approx(1)
    expected = enumerated_quantile(min(share, 1 - 1e-9))
    assert quantile(LOGS, share, normalized=normalized).value == pytest.approx(expected, abs=1e-9)
    order, left, tail = np.argsort(RETURNS), share, 0.0
    for value, chance in zip(RETURNS[order], CHANCE[order], strict=True):  # the worst, until the share is full
        taken = min(chance, left)
        tail, left = tail + taken * value, left - taken
    assert cvar(LOGS, share, normalized=normalized).value == pytest.approx(tail / share, abs=1e-9)


@pytest.mark.parametrize("normalized", [True, False])
def test_cdf_and_variance_are_those_of_all_trajectories(normalized: bool) -> None:
    for value in (-1.0, 0.4, 1.7, 9.0):
        expected = CHANCE[value >= RETURNS].sum()
        assert cdf(LOGS, value, normalized=normalized).value == pytest.approx(expected, abs=1e-9)
    spread = CHANCE @ RETURNS**2 - (CHANCE @ RETURNS) ** 2
    assert variance(LOGS, normalized=normalized).value == pytest.approx(spread, abs=1e-9)
    band = cdf_band(LOGS, normalized=normalized, resamples=50)
    below = [CHANCE[value + 1e-9 >= RETURNS].sum() for value in band.returns]
    np.testing.assert_allclose(band.value, below, atol=1e-9)


def bandit(rng: np.random.Generator, episodes: int, groups: bool = False) -> Logs:
    """Returns are normal about the action, 0 or 1; the target takes 1 in two thirds of cases, the behavior in half."""
    action = rng.integers(0, 2, episodes)
    reward = action + rng.normal(size=episodes)
    ends = np.ones(episodes, bool)
    extra = {"group": np.arange(episodes) // 2} if groups else {}
    data = Dataset.build(np.zeros(episodes, int), action, reward, ends, next_obs=np.zeros(episodes, int), extra=extra)
    return Logs.of(data, 1.0, np.full(episodes, np.log(0.5)), np.log(np.where(action == 1, 2 / 3, 1 / 3)))


def truth(share: float) -> tuple[float, float]:
    """Quantile and tail mean of the mixture, on a fine grid."""
    grid = np.linspace(-8, 9, 400_001)
    bell = lambda mean: np.exp(-((grid - mean) ** 2) / 2)
    density = bell(0) / 3 + bell(1) * 2 / 3
    mass = density / density.sum()
    place = int(np.argmax(mass.cumsum() >= share))
    return float(grid[place]), float((mass * grid)[:place].sum() / share)


@pytest.mark.parametrize("normalized", [True, False])
def test_intervals_of_quantile_and_cvar_cover(normalized: bool) -> None:
    rng = np.random.default_rng(0)
    at, tail = truth(0.25)
    covered = np.zeros(2)
    for _ in range(200):
        logs = bandit(rng, 300)
        for place, (estimator, exact) in enumerate(((quantile, at), (cvar, tail))):
            found = student_t(estimator(logs, 0.25, normalized=normalized))
            covered[place] += found.low <= exact <= found.high
    assert (covered / 200 >= 0.92).all()
    assert (covered / 200 <= 0.985).all()


def test_band_covers_the_whole_cdf() -> None:
    from scipy.special import ndtr

    rng = np.random.default_rng(1)
    covered = np.zeros(2)
    for _ in range(200):
        logs = bandit(rng, 200)
        for place, (band, mixed) in enumerate(
            ((cdf_band(logs, resamples=200), (1 / 3, 2 / 3)), (behavior_cdf_band(logs), (0.5, 0.5)))
        ):
            exact = mixed[0] * ndtr(band.returns) + mixed[1] * ndtr(band.returns - 1)
            covered[place] += ((band.low <= exact) & (exact <= band.high)).all()
    assert (covered / 200 >= 0.92).all()


def test_a_return_that_many_share_is_a_sure_median() -> None:
    ends = np.ones(40, bool)
    reward = np.r_[np.zeros(5), np.ones(30), np.full(5, 2.0)]
    data = Dataset.build(np.zeros(40, int), np.zeros(40, int), reward, ends, next_obs=np.zeros(40, int))
    found = student_t(quantile(Logs.of(data, 1.0, np.zeros(40), np.zeros(40)), 0.5))
    assert (found.value, found.low, found.high) == (1, 1, 1)


def test_nothing_is_nan_where_no_weight_is_left() -> None:
    logs = bandit(np.random.default_rng(2), 20)
    nothing = replace(logs, log_target=np.full_like(logs.reward, -np.inf))
    for normalized in (True, False):
        for estimator in (quantile, cvar):
            assert student_t(estimator(nothing, 0.5, normalized=normalized)).value == 0
        assert cdf(nothing, 1.0, normalized=normalized).value == 0
        assert variance(nothing, normalized=normalized).value == 0
        assert not cdf_band(nothing, normalized=normalized, resamples=20).value.any()


def test_wrong_shares_and_grouped_episodes_are_refused() -> None:
    logs = bandit(np.random.default_rng(3), 20, groups=True)
    for share in (0.0, 1.5):
        with pytest.raises(BadInput, match="above 0 and at most 1"):
            cvar(logs, share)
    with pytest.raises(BadInput, match="depend on each other"):
        behavior_cdf_band(logs)
    assert cdf_band(logs, resamples=20).value[-1] == pytest.approx(1)
