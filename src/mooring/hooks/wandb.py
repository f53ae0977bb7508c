"""Rows for Weights & Biases. Its own variables say where they go: WANDB_MODE=offline keeps them in the run's folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import numpy as np

from mooring.hooks.log import measures

if TYPE_CHECKING:
    from mooring.hooks.log import Row
    from mooring.runs import RunFolder


class WandbLogger:
    """One run of Weights & Biases: "STAGE/KIND/NAME/MEMBER", and without the member the mean of all, over "STAGE/step".

    A resumed training continues it. What a killed one logged after its last checkpoint can not be taken back there
    and shows twice, with the same numbers.
    """

    def __init__(self, folder: RunFolder, members: Sequence[str], config: Mapping[str, Any]) -> None:
        import wandb

        self._members = members
        self._stages: set[str] = set()
        id_file = folder.path / "wandb" / "id"
        if not id_file.exists():
            id_file.parent.mkdir(parents=True, exist_ok=True)
            id_file.write_text(uuid4().hex[:8])
        self._run = wandb.init(
            project="mooring",
            name=folder.path.name,
            id=id_file.read_text(),
            resume="allow",
            dir=folder.path,
            config=dict(config),
            settings=wandb.Settings(silent=True, console="off", x_disable_stats=True),
        )

    def write(self, row: Row) -> None:
        stage = row["stage"]
        if stage not in self._stages:
            self._run.define_metric(f"{stage}/step", hidden=True)
            self._run.define_metric(f"{stage}/*", step_metric=f"{stage}/step")
            self._stages.add(stage)
        logged = {f"{stage}/step": row["step"]}
        for name, values in measures(row).items():
            tag = f"{stage}/{row['kind']}/{name}"
            logged[tag] = float(np.mean(values))
            logged |= {f"{tag}/{member}": value for member, value in zip(self._members, values, strict=True)}
        self._run.log(logged)

    def close(self) -> None:
        self._run.finish()
