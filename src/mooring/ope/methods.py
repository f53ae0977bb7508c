"""Every estimator by its name: what it needs of a case, and what it makes of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

from mooring.errors import BadInput, unknown
from mooring.ope.case import Case
from mooring.ope.contributions import Contributions
from mooring.ope.doubly_robust import (
    clipped_doubly_robust,
    direct_method,
    doubly_robust,
    shrunk_doubly_robust,
    switch_doubly_robust,
    weighted_doubly_robust,
)
from mooring.ope.importance import (
    importance_sampling,
    per_decision,
    weighted_importance_sampling,
    weighted_per_decision,
)
from mooring.ope.logs import Logs, Values
from mooring.ope.marginalized import marginalized, marginalized_stationary
from mooring.ope.tabular import TabularLogs

Need = Literal["weights", "values", "table"]


@dataclass(frozen=True)
class Method:
    """`needs`: importance weights, values, or data that tables hold. `about`: one line of advice."""

    about: str
    needs: tuple[Need, ...]
    estimate: Callable[[Case], Contributions]


def _weights(estimator: Callable[[Logs], Contributions], about: str) -> Method:
    return Method(about, ("weights",), lambda case: estimator(case.weighed))


def _both(estimator: Callable[[Logs, Values], Contributions], about: str) -> Method:
    return Method(about, ("weights", "values"), lambda case: estimator(case.weighed, case.valued.values))


def _table(estimator: Callable[[TabularLogs], Contributions], about: str) -> Method:
    return Method(about, ("weights", "table"), lambda case: estimator(replace(case.model.tabular, logs=case.weighed)))


METHODS: dict[str, Method] = {
    "is": _weights(importance_sampling, "unbiased, and far too noisy beyond a few steps"),
    "wis": _weights(weighted_importance_sampling, "whole episodes, weights over their sum"),
    "pdis": _weights(per_decision, "unbiased; the yardstick of the others where enough episodes count"),
    "wpdis": _weights(weighted_per_decision, "the least noisy by weights alone"),
    "dm": Method(
        "values alone: little noise, and the bias of their form",
        ("values",),
        lambda case: direct_method(case.logs, case.valued.values),
    ),
    "dr": _both(doubly_robust, "right where weights or values are"),
    "wdr": _both(weighted_doubly_robust, "as dr, with less noise: the first choice where weights are known"),
    "switch": _both(switch_doubly_robust, "dr where weights are small, values where they are large"),
    "shrunk": _both(shrunk_doubly_robust, "dr with weights shrunk to the least error"),
    "clipped": _both(clipped_doubly_robust, "dr with weights cut at the least error"),
    "mis": _table(marginalized, "marginals of states instead of products: long horizons, small tables"),
    "mis-stationary": _table(marginalized_stationary, "the same where dynamics do not change with time"),
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
    "table": "needs observations and actions that are few discrete numbers",
}


def _possible(case: Case) -> list[str]:
    return [name for name, method in METHODS.items() if all(_has(case, need) for need in method.needs)]


def _has(case: Case, need: Need) -> bool:
    return {"weights": case.log_target is not None, "values": True, "table": case.is_tabular}[need]
