"""`Case`: a target policy, logs of another one, and all that estimators ask of the two, made when first asked for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from jaxtyping import Float

from mooring.data.dataset import Dataset
from mooring.data.spaces import Discrete
from mooring.ope.behavior import Behavior
from mooring.ope.judgment import ENOUGH
from mooring.ope.learned.fqe import Fitted, fitted_q
from mooring.ope.logs import Logs, Values
from mooring.ope.support import unfamiliar
from mooring.ope.tabular.cross_fitting import cross_fitted_values
from mooring.ope.tabular.model import Model, TabularLogs, fits_tables
from mooring.ope.tabular.second_moment import expected_effective_size
from mooring.ope.targets import log_probs, probabilities
from mooring.types import Policy

MISSING = 0.05  # of the target's occupancy without rows, above which values are no evidence; ours
STRANGE = 0.5  # of observations with an unfamiliar action, above which values are no evidence; ours
FEW = 10  # rows of each pair of state and action, below which values in doubly robust estimates are cross-fitted; ours


@dataclass(frozen=True, eq=False)
class Valued:
    """Values of the logged rows, and why no verdict may be built on them, or what a reader of them should know."""

    values: Values
    faults: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    fitted: Fitted | None = None  # where they were learned rather than counted


@dataclass(frozen=True, eq=False)
class Case:
    """What is to be judged. `horizon`: the steps that values by tables are counted to; None: see `steps`.

    `behavior` gives the logged actions' probabilities, and is asked for weights only.
    """

    policy: Policy
    data: Dataset
    discount: float
    behavior: Callable[[], Behavior]
    horizon: int | None = None
    seed: int = 0
    updates: int = 20_000  # of fitted Q evaluation

    @cached_property
    def logs(self) -> Logs:
        """The logs, without probabilities."""
        return Logs.of(self.data, self.discount)

    @cached_property
    def weighed(self) -> Logs:
        """The logs, with the probabilities of both policies."""
        return Logs.of(self.data, self.discount, self.behavior().log_prob, self.log_target)

    @cached_property
    def log_target(self) -> Float[np.ndarray, " N"] | None:
        """The target's log probabilities of the logged actions: None for a greedy policy over continuous actions."""
        return log_probs(self.policy, self.data)

    @property
    def is_tabular(self) -> bool:
        """Whether tables hold the values."""
        return fits_tables(self.data)

    @cached_property
    def steps(self) -> int | None:
        """The horizon; else the length that all cut-off episodes share (a time limit), or None: for ever."""
        lengths = self.logs.present.sum(1)
        cut = set(lengths[self.logs.cut_off].tolist())
        return self.horizon or (max(cut) if cut == {self.logs.horizon} else None)

    @cached_property
    def model(self) -> Model:
        """The maximum-likelihood model of tabular data."""
        data, obs = self.data, self.data.obs_space
        assert isinstance(obs, Discrete)
        assert isinstance(data.obs, np.ndarray)
        assert isinstance(data.next_obs, np.ndarray)
        target = probabilities(self.policy, data, np.arange(obs.n, dtype=np.int32))
        return Model.of(TabularLogs.of(self.logs, data.obs, data.action, data.next_obs, target, self.steps))

    @cached_property
    def weight_faults(self) -> tuple[str, ...]:
        """Where states are numbers: that fewer episodes can be expected to count than intervals by weights need."""
        if not self.is_tabular:
            return ()
        size = expected_effective_size(replace(self.model.tabular, logs=self.weighed))
        return (f"by a model, {size:.0f} episodes should count: intervals need {ENOUGH}",) if size < ENOUGH else ()

    @cached_property
    def valued(self) -> Valued:
        """By the tables of the model where data are tabular, else by fitted Q evaluation."""
        if self.is_tabular:
            missing = 1 - self.model.support
            faults = (f"{missing:.0%} of what the target would do has no row",) if missing > MISSING else ()
            return Valued(self.model.values(), faults)
        fitted = fitted_q(self.data, self.policy, self.discount, steps=self.updates, seed=self.seed)
        strange = 0.0 if isinstance(self.data.action_space, Discrete) else unfamiliar(self.policy, self.data, self.seed)
        faults = (f"in {strange:.0%} of observations the target does what was hardly ever done there",)
        return Valued(fitted.values, faults if strange > STRANGE else (), fitted.warnings, fitted)

    @cached_property
    def crossed(self) -> Values:
        """The values for doubly robust estimates: from other episodes, where tables have few rows of each pair."""
        values = self.valued.values
        if not self.is_tabular or len(self.data) >= FEW * np.count_nonzero(self.model.counts):
            return values
        return replace(cross_fitted_values(self.model.tabular, seed=self.seed), influence=values.influence)
