"""Every estimator by its name: what it needs of a case, and what it makes of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from mooring.data.spaces import Bounds
from mooring.errors import BadInput, unknown
from mooring.ope.case import Case
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
from mooring.ope.judgment import Evidence
from mooring.ope.learned.dice import AlgaeDICE, Dice, DualDICE, GenDICE, GradientDICE
from mooring.ope.learned.model import imagined_values
from mooring.ope.learned.ratios import by_ratio, density_ratios
from mooring.ope.learned.sr_dice import SRDICE
from mooring.ope.logs import Logs, Values
from mooring.ope.tabular.marginalized import marginalized, marginalized_stationary
from mooring.ope.tabular.model import TabularLogs
from mooring.ope.tabular.mrdr import Choices, mrdr_values
from mooring.ope.tabular.traces import Trace, traced_values

SPREAD = "its interval is how far learners differ: what all of them get wrong is not in it"

Need = Literal["weights", "values", "table", "next draws", "vectors"]


@dataclass(frozen=True)
class Method:
    """`needs`: importance weights, values, data that tables hold, the target's actions at next observations, or
    observations that are vectors of numbers.

    `about`: one line of advice.
    """

    about: str
    needs: tuple[Need, ...]
    estimate: Callable[[Case], Evidence]

    @property
    def weighted(self) -> bool:
        """Whether its weights are products of ratios, so that effective episodes count."""
        return "weights" in self.needs


def _weights(estimator: Callable[[Logs], Contributions], about: str) -> Method:
    def estimate(case: Case) -> Evidence:
        return Evidence(estimator(case.weighed), case.weight_faults, case.behavior().warnings)

    return Method(about, ("weights",), estimate)


def _both(estimator: Callable[[Logs, Values], Contributions], about: str) -> Method:
    def estimate(case: Case) -> Evidence:
        found = estimator(case.weighed, case.crossed)
        return Evidence(found, case.weight_faults, (*case.behavior().warnings, *case.valued.warnings))

    return Method(about, ("weights", "values"), estimate)


def _table(estimator: Callable[[TabularLogs], Contributions], about: str) -> Method:
    def estimate(case: Case) -> Evidence:
        return Evidence(estimator(replace(case.model.tabular, logs=case.weighed)), warnings=case.behavior().warnings)

    return Method(about, ("weights", "table"), estimate)


def _ratios(method: Dice | SRDICE, about: str) -> Method:
    def estimate(case: Case) -> Evidence:
        found = density_ratios(case.data, case.policy, case.discount, method=method, steps=case.updates, seed=case.seed)
        taken = "its interval takes the ratios, which were learned, as known"
        return Evidence(by_ratio(case.logs, found.ratio), faults=found.warnings, warnings=(taken,))

    return Method(about, ("next draws",), estimate)


def _direct(case: Case) -> Evidence:
    valued = case.valued
    found = direct_method(case.logs, valued.values)
    if valued.fitted is None:
        return Evidence(found, valued.faults, valued.warnings)
    members = np.stack([valued.fitted.starts, valued.fitted.logged], axis=1)
    return Evidence(found, valued.faults, (*valued.warnings, SPREAD), members)


def _imagined(case: Case) -> Evidence:
    found = imagined_values(
        case.data, case.policy, case.discount, horizon=case.steps, steps=case.updates, seed=case.seed
    )
    members = np.stack([found.starts, found.logged], axis=1)
    return Evidence(found.estimate, found.warnings, (SPREAD,), members)


def _mrdr(tabular: TabularLogs) -> Contributions:
    return doubly_robust(tabular.logs, mrdr_values(tabular.logs, Choices.tabular(tabular)))


def _traced(trace: Trace) -> Callable[[TabularLogs], Contributions]:
    return lambda tabular: direct_method(tabular.logs, traced_values(tabular, trace))


METHODS: dict[str, Method] = {
    "is": _weights(importance_sampling, "unbiased, and far too noisy beyond a few steps"),
    "wis": _weights(weighted_importance_sampling, "whole episodes, weights over their sum"),
    "pdis": _weights(per_decision, "unbiased; the yardstick of the others where enough episodes count"),
    "wpdis": _weights(weighted_per_decision, "the least noisy by weights alone"),
    "dm": Method("values alone: little noise, and the bias of their form", ("values",), _direct),
    "dm-model": Method("what learned dynamics foretell; few steps, smooth worlds", ("vectors",), _imagined),
    "dr": _both(doubly_robust, "right where weights or values are"),
    "wdr": _both(weighted_doubly_robust, "as dr, with less noise: the first choice where weights are known"),
    "mrdr": _table(_mrdr, "dr by the values that make it the least noisy; small tables"),
    "magic": _both(magic, "blends wdr and values by how much they disagree"),
    "switch": _both(switch_doubly_robust, "dr where weights are small, values where they are large"),
    "shrunk": _both(shrunk_doubly_robust, "dr with weights shrunk to the least error"),
    "clipped": _both(clipped_doubly_robust, "dr with weights cut at the least error"),
    "mis": _table(marginalized, "marginals of states instead of products: long horizons, small tables"),
    "mis-stationary": _table(marginalized_stationary, "the same where dynamics do not change with time"),
    "retrace": _table(_traced("retrace"), "values by traces that are cut where the policies part"),
    "tree-backup": _table(_traced("tree-backup"), "values by traces that follow the target's probabilities"),
    "dual-dice": _ratios(DualDICE(), "learned ratios of occupancy: no behavior probabilities, long horizons"),
    "algae-dice": _ratios(AlgaeDICE(), "the same, by a game whose value is the policy's"),
    "gradient-dice": _ratios(GradientDICE(), "the same, whose game is concave and convex"),
    "gen-dice": _ratios(GenDICE(), "the same, with ratios that are never negative"),
    "sr-dice": _ratios(SRDICE(), "the same, by least squares over learned features"),
}
DEFAULT = ("pdis", "wpdis", "dr", "wdr", "dm")


def chosen(names: tuple[str, ...] | None, case: Case) -> dict[str, Method]:
    """The methods of those names, or those of the default that the case allows. Raises BadInput for others."""
    for name in names or ():
        if name not in METHODS:
            raise unknown("estimator", name, METHODS)
        for need in METHODS[name].needs:
            if not _has(case, need):
                raise BadInput(f"estimator {name!r}", WITHOUT[need], fix=f"possible here: {', '.join(_possible(case))}")
    picked = names or [name for name in DEFAULT if name in _possible(case)]
    return {name: METHODS[name] for name in picked}


WITHOUT: dict[Need, str] = {
    "weights": "needs the target policy's probabilities, and a greedy policy over continuous actions has none",
    "values": "needs values",
    "next draws": "needs a discount below 1",
    "vectors": "needs observations that are vectors of numbers, and continuous actions",
    "table": "needs observations and actions that are few discrete numbers",
}


def _possible(case: Case) -> list[str]:
    return [name for name, method in METHODS.items() if all(_has(case, need) for need in method.needs)]


def _has(case: Case, need: Need) -> bool:
    held = {
        "weights": case.log_target is not None,
        "values": True,
        "table": case.is_tabular,
        "next draws": case.discount < 1,
        "vectors": isinstance(case.data.obs_space, Bounds) and isinstance(case.data.action_space, Bounds),
    }
    return held[need]
