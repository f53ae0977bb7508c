"""`estimate`: what a policy is worth, from logs of another one; and whether that can be told at all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from mooring.data import load
from mooring.data.dataset import Dataset
from mooring.errors import unknown
from mooring.evaluation.statistics import Estimate
from mooring.jsonable import jsonable
from mooring.ope.behavior import Behavior, behavior_of
from mooring.ope.case import Case
from mooring.ope.contributions import Contributions
from mooring.ope.intervals import INTERVALS
from mooring.ope.judgment import Interval, Judgment, agreement, automatic, judge
from mooring.ope.logs import in_blocks
from mooring.ope.methods import chosen
from mooring.ope.targets import Greedy
from mooring.types import Policy

BETWEEN = ("t", "studentized", "bca")
"""Intervals that need no bound of what one episode can bring."""


@dataclass(frozen=True)
class Judgments:
    """What several estimators say of one policy, the behavior policy's own mean return, and which one to go by.

    All values are discounted raw rewards per episode.
    """

    discount: float
    behavior: Estimate
    each: tuple[Judgment, ...]

    @property
    def chosen(self) -> Judgment:
        """The one to go by; see `automatic`."""
        return automatic(self.each)

    @property
    def verdict(self) -> str:
        """better, worse, cannot tell, or data does not support: against the behavior policy, by the chosen one."""
        return self.chosen.verdict

    @property
    def agreement(self) -> str:
        """Which estimators the chosen one can not be reconciled with."""
        return agreement(self.each)

    def __getitem__(self, estimator: str) -> Judgment:
        found = {each.estimator: each for each in self.each}
        if estimator not in found:
            raise unknown("estimator", estimator, found)
        return found[estimator]

    def to_json(self) -> dict[str, Any]:
        """As values that JSON knows; null stands for what is unknown or not finite."""
        return {
            "discount": self.discount,
            "behavior": jsonable(self.behavior),
            "estimates": [_described(each) for each in self.each],
            "chosen": self.chosen.estimator,
            "verdict": self.verdict,
            "agreement": self.agreement,
        }


@dataclass(frozen=True, eq=False)
class Judge:
    """Judges policies by the same logs, alike: what does not depend on the policy is made once. See `estimate`."""

    data: Dataset
    discount: float = 0.99
    estimators: Sequence[str] | None = None
    sampled: bool = False
    horizon: int | None = None
    given: Float[np.ndarray, " N"] | None = None
    block: int | None = None
    interval: str = "t"
    level: float = 0.95
    updates: int = 20_000
    seed: int = 0

    def __post_init__(self) -> None:
        if self.interval not in BETWEEN:
            raise unknown("interval", self.interval, BETWEEN)

    @cached_property
    def logged(self) -> Dataset:
        """The data, in blocks where those were asked for."""
        return self.data if self.block is None else in_blocks(self.data, self.block)

    @cached_property
    def behavior(self) -> Behavior:
        """The probabilities of the logged actions."""
        return behavior_of(self.logged, self.given, self.seed)

    def __call__(self, policy: Policy) -> Judgments:
        """Raises BadInput as `estimate` does."""
        target = policy if self.sampled else Greedy(policy)
        case = Case(
            target,
            self.logged,
            self.discount,
            lambda: self.behavior,
            self.horizon,
            seed=self.seed,
            updates=self.updates,
        )
        picked = chosen(None if self.estimators is None else tuple(self.estimators), case)
        known = Contributions.mean(case.logs.returns).by_group(case.logs.groups)
        made: Interval = INTERVALS[self.interval]
        each = tuple(
            judge(
                name,
                method.estimate(case),
                case.weighed if method.weighted else case.logs,
                weighted=method.weighted,
                interval=made,
                level=self.level,
            )
            for name, method in picked.items()
        )
        return Judgments(self.discount, made(known, self.level), each)


def estimate(
    policy: Policy,
    data: Dataset | str | Path,
    *,
    discount: float = 0.99,
    estimators: Sequence[str] | None = None,
    sampled: bool = False,
    horizon: int | None = None,
    behavior: Float[np.ndarray, " N"] | None = None,
    block: int | None = None,
    interval: str = "t",
    level: float = 0.95,
    updates: int = 20_000,
    seed: int = 0,
) -> Judgments:
    """Judges a policy by logs that another one made, without acting once.

    The target is what the policy does greedily, or by its own draws where `sampled`. `estimators` are names of
    `mooring.ope.methods.METHODS`; by default those of its DEFAULT that the data and the policy allow. `horizon` is the
    number of steps that values by tables are counted to: by default the time limit that the log shows, else for ever;
    those of fitted Q evaluation are always for ever. `behavior` gives the probability of each logged action, where the
    column "action_log_prob" does not; else it is estimated. `block` cuts episodes into units of so many rows (see
    `logs.in_blocks`), for a stream that goes on and on. `interval` is "t", "studentized" or "bca", over episodes
    or over the groups of a column "group". `updates` are those of fitted Q evaluation, where data are not tabular.

    Raises BadInput where names are unknown, an estimator does not fit the policy or the data, a probability is
    impossible, there are fewer than two episodes, or the policy carries a memory.
    """
    logged = load(data)
    return Judge(logged, discount, estimators, sampled, horizon, behavior, block, interval, level, updates, seed)(
        policy
    )


def _described(judgment: Judgment) -> dict[str, Any]:
    return {
        "name": judgment.estimator,
        **jsonable(judgment.value),
        "difference": jsonable(judgment.difference),
        "effective_size": judgment.effective_size,
        "warnings": [*judgment.faults, *judgment.warnings],
        "verdict": judgment.verdict,
    }
