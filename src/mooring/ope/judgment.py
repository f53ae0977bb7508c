"""`Judgment`: an estimate with its interval, what speaks against it, and a verdict against the behavior policy."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float

from mooring.evaluation.statistics import Estimate
from mooring.ope.contributions import Contributions
from mooring.ope.estimators.importance import effective_size
from mooring.ope.intervals import of_members, student_t
from mooring.ope.logs import Logs

Verdict = Literal["better", "worse", "cannot tell", "data does not support"]
Interval = Callable[[Contributions, float], Estimate]

ENOUGH = 100
"""Effective episodes below which intervals of importance sampling did not cover (see docs/ope_benchmark.md)."""
LEAST_SUPPORT = 0.95  # of the target's actions; ours
LARGEST_SHARE = 0.1  # of all weight, in one episode; ours
CUT_OFF = 0.01  # the discount at a time limit above which what would follow matters; ours


@dataclass(frozen=True)
class Judgment:
    """What one estimator says of a target policy, in discounted raw reward per episode.

    `difference` is target less behavior, from the same episodes. `faults` are why no verdict may be built on it,
    `warnings` what a reader should know. `effective_size` is None where no weights were used.
    """

    estimator: str
    value: Estimate
    difference: Estimate
    effective_size: float | None = None
    faults: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def verdict(self) -> Verdict:
        """Against the behavior policy, at the interval's level."""
        if self.faults or not np.isfinite([self.value.value, self.difference.low, self.difference.high]).all():
            return "data does not support"
        if self.difference.low > 0:
            return "better"
        return "worse" if self.difference.high < 0 else "cannot tell"


@dataclass(frozen=True, eq=False)
class Evidence:
    """An estimate over episodes, and what is known against it.

    `members`, where an estimate was learned several times, each from its own resample of the episodes: the estimate
    and the mean logged return of each. Their spread is what the interval is then made of.
    """

    estimate: Contributions
    faults: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    members: Float[np.ndarray, "M 2"] | None = None


def judge(
    name: str,
    evidence: Evidence,
    logs: Logs,
    *,
    weighted: bool,
    interval: Interval = student_t,
    level: float = 0.95,
) -> Judgment:
    """An estimate over the episodes of the logs, with intervals over their groups. `weighted`: by importance."""
    target, behavior, members = evidence.estimate, Contributions.mean(logs.returns), evidence.members
    difference = target.minus(behavior)
    if members is None:
        found = [interval(each.by_group(logs.groups), level) for each in (target, difference)]
    else:
        spreads = members[:, 0], members[:, 0] - members[:, 1]
        found = [
            of_members(each.value, spread, level) for each, spread in zip((target, difference), spreads, strict=True)
        ]
    return Judgment(
        estimator=name,
        value=found[0],
        difference=found[1],
        effective_size=effective_size(logs) if weighted else None,
        faults=(*evidence.faults, *(weight_faults(logs) if weighted else ())),
        warnings=(*evidence.warnings, *(weight_warnings(logs) if weighted else ()), *length_warnings(logs)),
    )


def weight_faults(logs: Logs) -> list[str]:
    """Why importance weights do not carry a verdict: too few effective episodes, or actions that were never logged."""
    faults = []
    size = effective_size(logs)
    if size < ENOUGH:
        faults.append(f"the weights leave {size:.0f} effective episodes of {len(logs)}: intervals need {ENOUGH}")
    low, high = support(logs)
    if high < LEAST_SUPPORT:
        faults.append(f"{1 - high:.0%} to {1 - low:.0%} of what the target does was never logged")
    return faults


def weight_warnings(logs: Logs) -> list[str]:
    """What is odd in the weights: one episode that holds much of them."""
    weights = logs.weight[:, -1]
    share = float(weights.max() / weights.sum()) if weights.any() else 0.0
    if share <= LARGEST_SHARE:
        return []
    return [f"one episode of {len(logs)} has {share:.0%} of the weight"]


def support(logs: Logs) -> tuple[float, float]:
    """An interval of four standard errors for the share of the target's actions that the behavior policy could take.

    That share is the mean ratio of a row: 1 where the behavior policy has a chance of all that the target does.
    """
    ratio = logs.ratio[logs.present]
    half = 4 * float(ratio.std()) / len(ratio) ** 0.5
    return max(0.0, float(ratio.mean()) - half), float(ratio.mean()) + half


def length_warnings(logs: Logs) -> list[str]:
    """Where time limits cut off what would have counted: only values can tell what would have followed."""
    left = logs.so_far[np.arange(len(logs)), logs.present.sum(1) - 1]
    cut = int((logs.cut_off & (left > CUT_OFF)).sum())
    if not cut:
        return []
    return [f"{cut} of {len(logs)} episodes were cut off while their discount was above {CUT_OFF:g}"]


def automatic(judgments: Sequence[Judgment]) -> Judgment:
    """The one to go by: the narrowest interval that agrees with every wider one (Lepski's rule).

    Su, Srinath & Krishnamurthy, "Adaptive estimator selection for off-policy evaluation" (2020), arXiv 2002.07729:
    wide intervals come with little bias, so a narrow one that leaves a wider one has left the truth. Those with
    faults do not take part, unless all have some.
    """
    sound = [each for each in judgments if each.verdict != "data does not support"] or list(judgments)
    width = lambda each: each.value.high - each.value.low
    low, high, chosen = -np.inf, np.inf, None
    for each in sorted(sound, key=width, reverse=True):
        low, high = max(low, each.value.low), min(high, each.value.high)
        if not low <= high:
            break
        chosen = each
    return chosen or sound[0]


def agreement(judgments: Sequence[Judgment]) -> str:
    """In words: which estimators' intervals leave that of the one to go by."""
    chosen = automatic(judgments)
    apart = [
        each.estimator
        for each in judgments
        if each.verdict != "data does not support"
        and (each.value.low > chosen.value.high or each.value.high < chosen.value.low)
    ]
    sound = sum(each.verdict != "data does not support" for each in judgments)
    if apart:
        return f"{', '.join(apart)} disagree with {chosen.estimator}"
    return f"{sound} of {len(judgments)} estimators are sound, and agree" if sound > 1 else f"{sound} is sound"
