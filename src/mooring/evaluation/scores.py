"""`evaluate`: policies in, raw returns and normalized scores with intervals out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float64, Int64

from mooring.data.catalog import normalized, score_range_of_env
from mooring.environments.making import versions
from mooring.errors import BadInput
from mooring.evaluation.rollouts import Returns, is_population, rollout
from mooring.evaluation.statistics import Estimate, Statistic, iqm, mean, summarize
from mooring.jsonable import jsonable
from mooring.loop import stack
from mooring.types import Policy

if TYPE_CHECKING:
    from rich.table import Table

    from mooring.runs import Home


@dataclass(frozen=True, eq=False)
class Evaluation:
    """What P policies got in E episodes each, and all that is needed to get it again.

    `returns` are raw and undiscounted, in float64; NaN where a policy's action was not finite. `score_range` holds
    the returns of a random and of an expert policy, where they are known. `versions` are those of the simulator.
    """

    env: str
    returns: Float64[np.ndarray, "P E"]
    lengths: Int64[np.ndarray, "P E"]
    score_range: tuple[float, float] | None
    seed: int
    sampled: bool
    versions: dict[str, str]

    @classmethod
    def of(
        cls, played: Returns, env: str, seed: int, sampled: bool, score_range: tuple[float, float] | None = None
    ) -> Evaluation:
        """Episodes that were played here and now; without a score range, that of the environment, where it is known."""
        score_range = score_range or score_range_of_env(env)
        return cls(env, played.returns, played.lengths, score_range, seed, sampled, versions())

    @property
    def scores(self) -> Float64[np.ndarray, "P E"] | None:
        """Normalized: 0 is the random policy and 100 the expert. None where the environment has no such range."""
        return None if self.score_range is None else normalized(self.returns, self.score_range)

    @property
    def iqm(self) -> Estimate | None:
        """Interquartile mean over members, of scores where there are any, else of returns. None if one diverged."""
        return self._estimate(iqm)

    @property
    def mean(self) -> Estimate | None:
        """As `iqm`, but the mean."""
        return self._estimate(mean)

    def _estimate(self, statistic: Statistic) -> Estimate | None:
        values = self.returns if self.scores is None else self.scores
        return summarize(values, statistic) if np.isfinite(values).all() else None

    def table(self) -> Table:
        """For rich: each member's means, then IQM and mean over members with 95 % intervals."""
        from rich.table import Table

        columns = {"steps": self.lengths, "return": self.returns}
        if self.scores is not None:
            columns["score"] = self.scores
        estimates = f"{list(columns)[-1]}: IQM {self.iqm or 'diverged'}, mean {self.mean or 'diverged'}"
        members, episodes = self.returns.shape
        table = Table(title=f"{self.env}, {episodes} episodes each", caption=f"{estimates}, 95 % intervals")
        table.add_column("policy")
        for name in columns:
            table.add_column(name, justify="right")
        for index in range(members):
            table.add_row(str(index), *(f"{column[index].mean():.1f}" for column in columns.values()))
        return table

    def to_json(self) -> dict[str, Any]:
        """All of it as values that JSON knows: null stands for what is unknown or not finite."""
        return dict(jsonable(vars(self) | {"scores": self.scores, "iqm": self.iqm, "mean": self.mean}))


def evaluate(
    policies: Policy | Sequence[Policy] | str | Path,
    env: str | None = None,
    episodes: int = 10,
    seed: int = 0,
    sampled: bool = False,
    score_range: tuple[float, float] | None = None,
    processes: int | None = None,
) -> Evaluation:
    """Plays `episodes` episodes with each policy in the Gymnasium environment `env`.

    `policies` is one policy, a list of them, a stacked population, a file that holds a policy, or the folder of a
    run (whose environment is the default). Policies act greedily, or as they were trained to explore where `sampled`.
    `score_range` holds the returns of a random and of an expert policy; else those of D4RL or of the run's data.
    With `processes` the environments are shared out over so many, which find them by the id alone (not those that your
    program registered); returns do not depend on it.

    Raises BadInput where the environment is unknown, fails, or is not what the policies were made for.
    """
    if isinstance(policies, str | Path):
        policies, home = _loaded(Path(policies))
        if env in (None, home.env):
            env, score_range = home.env, score_range or home.score_range
    if env is None:
        raise BadInput("evaluate", "no environment is given", "env, a Gymnasium id")
    played = rollout(_stacked(policies), env, episodes, seed, sampled, processes)
    return Evaluation.of(played, env, seed, sampled, score_range)


def _loaded(path: Path) -> tuple[Policy, Home]:
    """The policies of a run's folder, or the one in a file; and where they belong."""
    from mooring.runs import Home, RunFolder, load_policies, load_policy

    if not path.is_dir():
        return load_policy(path), Home()
    return load_policies(path)[0], RunFolder(path).home()


def _stacked(policies: Policy | Sequence[Policy]) -> Policy:
    """As a population."""
    if isinstance(policies, Policy):
        return policies if is_population(policies) else stack([policies])
    return stack(policies)
