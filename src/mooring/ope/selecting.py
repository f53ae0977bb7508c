"""`select`: trained policies in order of what logs alone say of them; and how good that order is, where one can act."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from mooring.data import load
from mooring.data.dataset import Dataset
from mooring.errors import BadInput
from mooring.evaluation.contest import Contest, contest_of
from mooring.evaluation.scores import evaluate
from mooring.finetuning import data_of
from mooring.loop import member
from mooring.ope import ranking
from mooring.ope.estimating import Judge, Judgments
from mooring.runs import RunFolder, load_policies
from mooring.types import Algorithm, Policy


@dataclass(frozen=True, eq=False)
class Candidate:
    """A policy of a run, by the run's path and the member's label."""

    run: str
    label: str
    policy: Policy
    discount: float

    @property
    def name(self) -> str:
        return f"{self.run} {self.label}"


@dataclass(frozen=True, eq=False)
class Truth:
    """What K candidates got in an environment, and how good the order from logs alone was, by mean returns.

    `regret[k]` is `ranking.regret_at` for k + 1 of them. `false_better` is the share that was said to be better than
    the behavior policy and was not; returns are undiscounted, as those of the log are, which it is compared with.
    """

    returns: tuple[Float[np.ndarray, " _"], ...]
    spearman: float
    regret: tuple[float, ...]
    false_better: float


@dataclass(frozen=True, eq=False)
class Selection:
    """K candidates, best first by the value of the estimator that each is best judged by.

    Those that the data do not support come last. `agreement` is the mean rank correlation between the estimators
    that all were judged by.
    """

    candidates: tuple[Candidate, ...]
    judged: tuple[Judgments, ...]
    agreement: float
    truth: Truth | None = None
    contest: Contest | None = None


def candidates_of(path: str | Path, algorithm: Algorithm | None = None) -> list[Candidate]:
    """Every member's policy of a run, whose algorithm has to be given where it is a user's own.

    Raises BadInput where the folder holds no run, or one that has not ended.
    """
    folder = RunFolder(Path(path))
    settings = folder.config()["algorithm"]["settings"]
    policies, members = load_policies(path, algorithm)
    return [
        Candidate(
            str(path),
            each.label,
            member(policies, index),
            each.settings.get("discount", settings.get("discount", 0.99)),
        )
        for index, each in enumerate(members)
    ]


def select(
    runs: Sequence[str | Path],
    data: Dataset | str | Path | None = None,
    *,
    env: str | None = None,
    episodes: int | None = None,
    budget: int | None = None,
    discount: float | None = None,
    seed: int = 0,
    **asked: Any,
) -> Selection:
    """Ranks the policies of runs from logs alone; `asked` are further settings of `Judge`.

    `data` are by default those of the first run; `discount` that of its algorithm, so that all are judged alike.
    With `episodes`, each policy then plays so many in `env` (by default the first run's), and the order is held
    against what they got. With `budget`, that many episodes in all find the best one (see `contest`).

    Raises BadInput as `estimate`, `evaluate` and `contest` do, and where there are fewer than two policies.
    """
    found = [candidate for run in runs for candidate in candidates_of(run)]
    if len(found) < 2:
        raise BadInput("select", f"{len(found)} policies", "two or more to choose from")
    home = RunFolder(Path(runs[0]))
    env = env or home.home().env
    if (episodes or budget) and env is None:
        raise BadInput(str(runs[0]), "names no environment", fix="name one to act in (env)")
    logged = data_of(home) if data is None else load(data)
    gamma = found[0].discount if discount is None else discount
    judge = Judge(logged, gamma, seed=seed, **asked)
    judged = [judge(each.policy) for each in found]
    best = sorted(range(len(found)), key=lambda index: _place(judged[index]))
    found, judged = [found[index] for index in best], [judged[index] for index in best]
    policies, sampled = [each.policy for each in found], bool(asked.get("sampled", False))
    return Selection(
        tuple(found),
        tuple(judged),
        _agreement(judged),
        truth_of(policies, judged, logged, str(env), episodes, seed, sampled) if episodes else None,
        contest_of(policies, str(env), budget, seed, sampled) if budget else None,
    )


def truth_of(
    policies: Sequence[Policy],
    judged: Sequence[Judgments],
    logged: Dataset,
    env: str,
    episodes: int,
    seed: int,
    sampled: bool,
) -> Truth:
    """What policies, the best-judged first, get in an environment. A return that is not finite counts as the worst."""
    returns = [evaluate(policy, env, episodes, seed, sampled).returns[0] for policy in policies]
    means = np.array([np.nan_to_num(each, nan=-np.inf).mean() for each in returns])
    true = np.where(np.isfinite(means), means, means[np.isfinite(means)].min(initial=0.0))
    order = -np.arange(len(policies), dtype=float)
    better = np.array([each.verdict == "better" for each in judged])
    return Truth(
        tuple(returns),
        ranking.spearman(order, true),
        tuple(ranking.regret_at(k, order, true) for k in range(1, len(policies) + 1)),
        ranking.false_better(better, true, float(logged.returns.mean())),
    )


def _place(judged: Judgments) -> tuple[bool, float]:
    """Where a policy stands: below all others, where the data do not support it."""
    return judged.verdict == "data does not support", -judged.chosen.value.value


def _agreement(judged: Sequence[Judgments]) -> float:
    """Between those estimators that every policy was judged by."""
    names = [each.estimator for each in judged[0].each if all(each.estimator in _names(other) for other in judged)]
    values = [[one[name].value.value for one in judged] for name in names]
    return ranking.agreement(np.array(values)) if values else float("nan")


def _names(judged: Judgments) -> set[str]:
    return {each.estimator for each in judged.each}
