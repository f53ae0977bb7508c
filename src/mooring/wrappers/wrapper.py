"""What all wrappers share: the wrapped algorithm's name, actions, columns, batch size and stages."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import equinox as eqx

from mooring.data.dataset import Dataset
from mooring.errors import BadInput
from mooring.types import ActionKind, Algorithm, Batch, Metrics, Policy, PRNGKey, Source, Spec, Stage, Step, static


class Wrapper(Algorithm):
    """Hands its work to another algorithm, which learns in a space of its own and whose stages it trains as well."""

    batch_size: int = eqx.field(static=True, init=False)
    algorithm: eqx.AbstractVar[Algorithm]

    def __post_init__(self) -> None:
        self.batch_size = self.algorithm.batch_size
        if self.algorithm.checkpoints():
            raise BadInput(self.algorithm.name, "keeps the best of the policies that act, which no wrapper does")

    @property
    def name(self) -> str:  # type: ignore[override]
        return f"{type(self).__name__.lower()} {self.algorithm.name}"

    @property
    def actions(self) -> tuple[ActionKind, ...]:  # type: ignore[override]
        return self.algorithm.actions

    @property
    def columns(self) -> tuple[str, ...]:  # type: ignore[override]
        return self.algorithm.columns

    def stages(self) -> tuple[Stage, ...]:
        """The wrapped algorithm's, wrapped like it. Raises BadInput for several, which one field can not tell apart."""
        stages = self.algorithm.stages()
        if len(stages) > 1:
            raise BadInput(self.name, f"{self.algorithm.name} has {len(stages)} stages", "at most one in a wrapper")
        return tuple(Stage("algorithm", self._filling(stage), stage.steps) for stage in stages)

    def _filling(self, stage: Stage) -> Filling:
        wrapped = replace(self, algorithm=stage.algorithm)
        return Filling(wrapped, self.algorithm, stage.field)

    def result(self, agent: Any) -> Any:
        return self.algorithm.result(agent)


class Filling(Algorithm):
    """Trains a stage in a wrapper; what it leaves behind is the wrapped algorithm with that field filled."""

    batch_size: int = eqx.field(static=True, init=False)
    trainer: Algorithm
    owner: Algorithm
    field: str = static()

    def __post_init__(self) -> None:
        self.batch_size = self.trainer.batch_size

    @property
    def name(self) -> str:  # type: ignore[override]
        return self.trainer.name

    @property
    def actions(self) -> tuple[ActionKind, ...]:  # type: ignore[override]
        return self.trainer.actions

    def source(self, data: Dataset) -> Source:
        return self.trainer.source(data)

    def init(self, key: PRNGKey, spec: Spec) -> Any:
        return self.trainer.init(key, spec)

    def update(self, agent: Any, batch: Batch, key: PRNGKey, step: Step) -> tuple[Any, Metrics]:
        return self.trainer.update(agent, batch, key, step)

    def policy(self, agent: Any) -> Policy:
        return self.trainer.policy(agent)

    def result(self, agent: Any) -> Algorithm:
        place = lambda owner: getattr(owner, self.field)
        return eqx.tree_at(place, self.owner, self.trainer.result(agent), is_leaf=lambda each: each is None)
