"""`check_estimator`: what an off-policy estimator must pass, on random processes whose values are known.

Call it from a test of your own: it returns when all is well, and else raises an AssertionError that says what broke.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np
from jaxtyping import Float

from mooring.data.dataset import Dataset
from mooring.errors import BadInput
from mooring.ope.contributions import Contributions
from mooring.ope.intervals import student_t
from mooring.ope.tabular.model import TabularLogs
from mooring.ope.tabular.random_mdps import TabularMDP, TabularPolicy, random_policy

STATES, ACTIONS, HORIZON = 4, 2, 5
LEAST_COVERAGE = 0.87  # of 95 % intervals: four standard errors of 130 logs below, rounded
WIDEST = 2.0  # interval over that of the true errors: what says nothing covers always
MANY = 16  # times as many episodes must bring the error down to SHRINKS; the square root rule says to 1/4
SHRINKS = 0.45


@dataclass(frozen=True, eq=False)
class Known:
    """Logs of a behavior policy, a target policy (`tabular.target`), and what the target is worth."""

    data: Dataset
    tabular: TabularLogs
    truth: float


Estimator = Callable[[Known], Contributions]


def check_estimator(
    estimator: Estimator,
    *,
    exact_on_policy: bool = True,
    logs: int = 130,
    few: int = 50,
    least_coverage: float = LEAST_COVERAGE,
) -> dict[str, float]:
    """Exact on policy, consistent, covered by its own interval, and never NaN; returns what was measured.

    A policy that is judged by its own logs is worth their mean return (1e-9), where `exact_on_policy`. The error on
    800 episodes is less than 0.45 times that on 50, and no bias is left beyond four standard errors. The t interval
    at 800 episodes holds the truth in at least `least_coverage` of `logs` logs, and is not over twice as wide as the
    errors ask for. Single rows, two episodes, states that were never seen, and a target that never does what was
    logged give a finite value and influence, or BadInput.

    Returns "few" and "many" (root mean square errors over the return's standard deviation), "coverage" and "width"
    (over that of the true errors).
    """
    if exact_on_policy:
        _check_on_policy(estimator)
    _check_hard_cases(estimator)
    return _check_errors(estimator, logs, few, least_coverage)


def known_logs(
    rng: np.random.Generator, episodes: int, mdp: TabularMDP, behavior: TabularPolicy, target: TabularPolicy
) -> Known:
    """Simulated logs, and the exact value of the target policy."""
    data = mdp.simulate(behavior, episodes, rng)
    return Known(data, mdp.logs(data, target), mdp.value(target))


def _check_on_policy(estimator: Estimator) -> None:
    rng = np.random.default_rng(0)
    mdp, policy = _process(rng), random_policy(rng, STATES, ACTIONS)
    known = known_logs(rng, 40, mdp, policy, policy)
    expected, found = float(known.tabular.logs.returns.mean()), estimator(known).value
    _require(abs(found - expected) < 1e-9, f"a policy judged by its own logs is worth {found:.9g}, not {expected:.9g}")


def _check_hard_cases(estimator: Estimator) -> None:
    for name, known in _hard_cases():
        try:
            found = estimator(known)
            numbers = np.append(found.influence(), found.value)
        except BadInput:
            continue
        _require(bool(np.isfinite(numbers).all()), f"{name}: {(~np.isfinite(numbers)).sum()} numbers are not finite")


def _hard_cases() -> Iterator[tuple[str, Known]]:
    rng = np.random.default_rng(1)
    mdp, short = _process(rng), _process(rng, horizon=1)
    behavior, target = (random_policy(rng, STATES, ACTIONS) for _ in range(2))
    first, second = (np.tile(np.eye(ACTIONS)[action], (STATES, 1)) for action in range(2))
    yield "two episodes", known_logs(rng, 2, mdp, behavior, target)
    yield "episodes of a single row", known_logs(rng, 30, short, behavior, target)
    yield "a target that never does what was logged", known_logs(rng, 30, mdp, first, second)
    yield "a target that does only what was logged", known_logs(rng, 30, mdp, first, first)


def _check_errors(estimator: Estimator, logs: int, few: int, least_coverage: float) -> dict[str, float]:
    spread = _spread()
    errors, _ = _errors_and_intervals(estimator, _drawn(logs, few))
    later, intervals = _errors_and_intervals(estimator, _drawn(logs, MANY * few))
    error = float(np.sqrt((later**2).mean()))
    found = {
        "few": float(np.sqrt((errors**2).mean())) / spread,
        "many": error / spread,
        "coverage": float(((intervals[:, 0] <= later) & (later <= intervals[:, 1])).mean()),
        "width": float((intervals[:, 1] - intervals[:, 0]).mean()) / (2 * 1.96 * error),
    }
    bias = float(later.mean() / (later.std(ddof=1) / logs**0.5))
    told = ", ".join(f"{name} {value:.3g}" for name, value in found.items())
    _require(found["many"] <= SHRINKS * found["few"], f"errors do not shrink as logs grow: {told}")
    _require(abs(bias) <= 4, f"biased by {bias:.1f} standard errors on {MANY * few} episodes: {told}")
    _require(found["coverage"] >= least_coverage, f"intervals hold the truth too rarely: {told}")
    _require(found["width"] <= WIDEST, f"intervals are wider than the errors: {told}")
    return found


def _errors_and_intervals(
    estimator: Estimator, drawn: tuple[Known, ...]
) -> tuple[Float[np.ndarray, " L"], Float[np.ndarray, "L 2"]]:
    """Estimate less truth of each of L logs, and the interval that this has to lie in."""
    estimates = [(student_t(estimator(known)), known.truth) for known in drawn]
    errors = np.array([each.value - truth for each, truth in estimates])
    return errors, np.array([(each.value - each.high, each.value - each.low) for each, _ in estimates])


def _problem(rng: np.random.Generator) -> tuple[TabularMDP, TabularPolicy, TabularPolicy]:
    """A process, its behavior and its target policy, which are not far apart."""
    behavior, target = (random_policy(rng, STATES, ACTIONS, 8.0) for _ in range(2))
    return _process(rng), behavior, target


@cache
def _drawn(logs: int, episodes: int) -> tuple[Known, ...]:
    """The same logs for every estimator."""
    mdp, behavior, target = _problem(np.random.default_rng(2))
    rng = np.random.default_rng(episodes)
    return tuple(known_logs(rng, episodes, mdp, behavior, target) for _ in range(logs))


@cache
def _spread() -> float:
    """The standard deviation of the target's return."""
    rng = np.random.default_rng(2)
    mdp, _, target = _problem(rng)
    return float(known_logs(rng, 4000, mdp, target, target).tabular.logs.returns.std())


def _process(rng: np.random.Generator, horizon: int = HORIZON) -> TabularMDP:
    return TabularMDP.random(rng, STATES, ACTIONS, horizon, branches=2, ends=0.2)


def _require(holds: bool, trouble: str) -> None:
    if not holds:
        raise AssertionError(trouble)
