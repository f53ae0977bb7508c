"""The probabilities with which the behavior policy took the logged actions: given, logged, or estimated.

Estimates are cross-fitted: a row's probability comes from episodes of other units only (see `logs.GROUPS`), as what was
learned from the row itself would be too sure of it. Where observations and actions are numbers, they are counted; else
a policy is cloned. Whether they are true is measured on those same rows, which were not learned from.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from mooring.algorithms.imitation.bc import BC
from mooring.data.columns import take
from mooring.data.dataset import Dataset
from mooring.data.spaces import Discrete
from mooring.errors import BadInput
from mooring.hooks import Hook
from mooring.loop import member
from mooring.ope.calibration import Calibration, Ranks, Reliability
from mooring.ope.logs import FOLDS, folds_of, groups_of
from mooring.ope.tabular.model import fits_tables
from mooring.ope.targets import log_probs_of, probabilities
from mooring.policies import sampled_actions
from mooring.training import train
from mooring.types import Algorithm, Policy, PRNGKey

if TYPE_CHECKING:
    from mooring.training import Session

LOGGED = "action_log_prob"
"""The column of `extra` that says the log probability (density) of each action, where the log knows it."""
UPDATES = 2_000  # of a cloned policy at most; ours
LOOKS = 8  # of these many equal parts of them, as many are made as do best on the rows that are held out; ours
SMOOTHING = 1.0  # rows, in each state, of the actions' shares in all others; ours
JUDGED, DRAWS = 4_000, 50  # rows, and draws for each, of the ranks of continuous actions


@dataclass(frozen=True, eq=False)
class Behavior:
    """The log probability (density) of each row's action, and how far to trust it where it is an estimate."""

    log_prob: Float[np.ndarray, " N"]
    origin: str  # "given", "logged", "counted", "cloned"
    calibration: Calibration | None = None

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a reader of an estimate that rests on these probabilities should know."""
        if self.calibration is None:
            return ()
        estimated = f"the behavior policy's probabilities were not logged: {self.origin} from other episodes"
        return (
            (estimated,) if self.calibration.calibrated else (estimated, f"not calibrated: {self.calibration.reason}")
        )


def behavior_of(data: Dataset, given: Float[np.ndarray, " N"] | None = None, seed: int = 0) -> Behavior:
    """The probabilities that were given, else those that were logged, else counted or cloned ones.

    `given` are probabilities (densities) of the logged actions. Raises BadInput where one of them is not above 0.
    """
    if given is not None:
        if not (given > 0).all():
            found = f"{(~(given > 0)).sum()} probabilities are not above 0, first row {np.argmin(given > 0)}"
            raise BadInput(data.name, found, "that of each action that was taken")
        return Behavior(np.log(given, dtype=np.float64), "given")
    if LOGGED in data.extra:
        return Behavior(data.extra[LOGGED].astype(np.float64), "logged")
    if fits_tables(data):
        return counted(data, seed=seed)
    return cloned(data, seed=seed)


def counted(data: Dataset, *, smoothing: float = SMOOTHING, folds: int = FOLDS, seed: int = 0) -> Behavior:
    """(n(s, a) + smoothing m(a)) / (n(s) + smoothing), by counts of other episodes; m is (n(a) + 1) / (n + A).

    Raises BadInput where observations or actions are not numbers, or where there are fewer than two units.
    """
    obs, action = data.obs_space, data.action_space
    if not isinstance(obs, Discrete) or not isinstance(action, Discrete) or not isinstance(data.obs, np.ndarray):
        raise BadInput(data.name, "observations or actions are not numbers", fix="clone the policy")
    known = np.empty((len(data), action.n))
    for held_out, _ in _folds(data, folds, seed):
        counts = np.zeros((obs.n, action.n))
        np.add.at(counts, (data.obs[~held_out], data.action[~held_out]), 1.0)
        overall = (counts.sum(0) + 1) / (counts.sum() + action.n)
        shares = (counts + smoothing * overall) / (counts.sum(1, keepdims=True) + smoothing)
        known[held_out] = shares[data.obs[held_out]]
    return _of_choices(known, data, "counted")


def cloned(
    data: Dataset,
    algorithm: Algorithm | None = None,
    *,
    updates: int = UPDATES,
    folds: int = FOLDS,
    seed: int = 0,
) -> Behavior:
    """By policies that were cloned from other episodes: categorical, or a squashed Gaussian, unless another is given.

    How many updates, of all folds alike, is chosen by the likelihood of what is held out: one number of all rows.
    Raises BadInput where the algorithm's policy has no probabilities, or where there are fewer than two units.
    """
    algorithm = algorithm or BC(squashed=True)
    held, looks = [], []
    for held_out, others in _folds(data, folds, seed):
        look = Looks(max(1, updates // LOOKS), data, np.flatnonzero(held_out))
        train(algorithm, others, updates, seeds=[seed], hooks=[look], chunk=look.every)
        held.append(held_out)
        looks.append(look)
    total = np.sum([[log_prob.sum() for log_prob in look.log_probs] for look in looks], axis=0)
    best = int(np.argmax(total))
    policies = [look.policies[best] for look in looks]
    if isinstance(data.action_space, Discrete):
        known = np.empty((len(data), data.action_space.n))
        for held_out, policy in zip(held, policies, strict=True):
            known[held_out] = probabilities(policy, data, take(data.obs, np.flatnonzero(held_out)))
        return _of_choices(known, data, "cloned")
    log_prob = np.empty(len(data))
    for held_out, look in zip(held, looks, strict=True):
        log_prob[held_out] = look.log_probs[best]
    return Behavior(log_prob, "cloned", _ranks(data, held, policies, seed))


@dataclass
class Looks(Hook):
    """Every so many updates: the policy as it stands, and what it says of the rows that are held out."""

    every: int
    data: Dataset
    rows: Int[np.ndarray, " n"]
    policies: list[Policy] = field(default_factory=list)
    log_probs: list[Float[np.ndarray, " n"]] = field(default_factory=list)

    def __call__(self, session: Session) -> None:
        policy = member(session.policies(), 0)
        known = log_probs_of(policy, take(self.data.obs, self.rows), self.data.action[self.rows])
        if known is None:
            raise BadInput("cloned policy", f"{type(policy).__name__} does not tell probabilities", fix="take bc")
        self.policies.append(policy)
        self.log_probs.append(np.asarray(known, np.float64))


def _folds(data: Dataset, folds: int, seed: int) -> Iterator[tuple[Bool[np.ndarray, " N"], Dataset]]:
    """Which rows are held out, and the other units' episodes: each unit is held out once."""
    place = folds_of(groups_of(data), folds, seed, data.name, "units")
    for fold in range(int(place.max()) + 1):
        episodes = place == fold
        yield np.repeat(episodes, data.lengths), data.select(~episodes)


def _of_choices(known: Float[np.ndarray, "N A"], data: Dataset, origin: str) -> Behavior:
    taken = known[np.arange(len(data)), data.action]
    return Behavior(np.log(taken), origin, Reliability.of(known, data.action))


def _ranks(data: Dataset, held: list[Bool[np.ndarray, " N"]], policies: list[Policy], seed: int) -> Ranks:
    """The ranks of some rows' actions, each among draws of the policy that did not learn from it."""
    rng, parts = np.random.default_rng(seed), []
    for fold, (held_out, policy) in enumerate(zip(held, policies, strict=True)):
        rows = np.flatnonzero(held_out)
        some = np.sort(rng.choice(rows, min(len(rows), JUDGED // len(held)), replace=False))
        draws = _draws(policy, take(data.obs, some), jax.random.fold_in(jax.random.key(seed), fold))
        parts.append(Ranks.of(data.action[some].astype(np.float64), np.asarray(draws, np.float64), rng).ranks)
    return Ranks(np.concatenate(parts))


@eqx.filter_jit
def _draws(policy: Policy, obs: Any, key: PRNGKey) -> Float[Array, "M n A"]:
    """Many actions for each observation."""
    return jax.vmap(lambda each: sampled_actions(policy, obs, each))(jax.random.split(key, DRAWS))
