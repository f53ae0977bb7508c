"""`check_estimator` passes the shipped estimators, and names what is wrong with broken ones."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from mooring.ope.contributions import Contributions
from mooring.ope.estimators.doubly_robust import (
    clipped_doubly_robust,
    direct_method,
    doubly_robust,
    shrunk_doubly_robust,
    switch_doubly_robust,
    weighted_doubly_robust,
)
from mooring.ope.estimators.importance import (
    importance_sampling,
    per_decision,
    weighted_importance_sampling,
    weighted_per_decision,
)
from mooring.ope.estimators.magic import magic
from mooring.ope.logs import Logs, Values
from mooring.ope.tabular.marginalized import marginalized, marginalized_stationary
from mooring.ope.tabular.model import Model
from mooring.ope.tabular.mrdr import Choices, mrdr_values
from mooring.ope.tabular.traces import Trace, traced_values
from mooring.testing_estimators import Estimator, Known, check_estimator


def by_weights(estimator: Callable[[Logs], Contributions]) -> Estimator:
    return lambda known: estimator(known.tabular.logs)


def by_values(estimator: Callable[[Logs, Values], Contributions]) -> Estimator:
    return lambda known: estimator(known.tabular.logs, Model.of(known.tabular).values())


def mrdr(known: Known) -> Contributions:
    logs = known.tabular.logs
    return doubly_robust(logs, mrdr_values(logs, Choices.tabular(known.tabular)))


def by_traces(trace: Trace) -> Estimator:
    return lambda known: direct_method(known.tabular.logs, traced_values(known.tabular, trace))


@pytest.mark.parametrize(
    "estimator",
    [
        pytest.param(by_weights(importance_sampling), marks=pytest.mark.every),
        by_weights(weighted_importance_sampling),
        pytest.param(by_weights(per_decision), marks=pytest.mark.every),
        by_weights(weighted_per_decision),
    ],
)
def test_importance_sampling_passes(estimator: Estimator) -> None:
    check_estimator(estimator)


@pytest.mark.parametrize(
    "estimator",
    [
        by_values(direct_method),
        pytest.param(by_values(doubly_robust), marks=pytest.mark.every),
        by_values(weighted_doubly_robust),
        pytest.param(by_values(switch_doubly_robust), marks=pytest.mark.every),
        pytest.param(by_values(shrunk_doubly_robust), marks=pytest.mark.every),
        pytest.param(by_values(clipped_doubly_robust), marks=pytest.mark.every),
        by_values(magic),
        by_traces("retrace"),
        pytest.param(by_traces("tree-backup"), marks=pytest.mark.every),
        pytest.param(by_traces("q-lambda"), marks=pytest.mark.every),
        lambda known: marginalized_stationary(known.tabular),
        pytest.param(mrdr, marks=pytest.mark.every),
    ],
)
def test_what_learns_values_passes(estimator: Estimator) -> None:
    """The mean return is the empirical policy's, and these are told the target's probabilities."""
    found = check_estimator(estimator, exact_on_policy=False)
    assert found["many"] < 0.1


def test_marginals_of_each_step_pass() -> None:
    """With ratios of 1, each step's marginals are the logged ones: on policy they are exact."""
    check_estimator(lambda known: marginalized(known.tabular))


@pytest.mark.parametrize(
    ("broken", "trouble"),
    [
        (lambda known: Contributions.mean(known.tabular.logs.returns * 1.01), "by its own logs"),
        (lambda known: Contributions.mean(known.tabular.logs.returns), "do not shrink"),
        (lambda known: _scaled(per_decision(known.tabular.logs), 0.5), "too rarely"),
        (lambda known: _scaled(per_decision(known.tabular.logs), 3.0), "wider than"),
        (lambda known: _without_check(known.tabular.logs), "are not finite"),
    ],
)
def test_broken_ones_are_named(broken: Estimator, trouble: str) -> None:
    with pytest.raises(AssertionError, match=trouble):
        check_estimator(broken)


def _scaled(estimate: Contributions, factor: float) -> Contributions:
    """The right value, with an interval that is not."""
    influence = estimate.influence()
    return replace(estimate, learned=(factor - 1) * influence)


def _without_check(logs: Logs) -> Contributions:
    """Weights over their sum, without asking whether there are any."""
    with np.errstate(invalid="ignore", divide="ignore"):
        weight = logs.weight[:, -1] / logs.weight[:, -1].mean()
    return Contributions.mean(weight * logs.returns)
