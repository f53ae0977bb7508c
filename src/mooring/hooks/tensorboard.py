"""Rows for TensorBoard: `tensorboard --logdir RUN/tensorboard` shows one curve for each member."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mooring.hooks.log import measures

if TYPE_CHECKING:
    from mooring.hooks.log import Row
    from mooring.runs import RunFolder


class TensorBoardLogger:
    """Writes tags "train/NAME" and "evaluate/NAME" to tensorboard/MEMBER/STAGE.

    What a killed run wrote after its last checkpoint is purged when the run is resumed.
    """

    def __init__(self, folder: RunFolder, members: Sequence[str]) -> None:
        import tensorboardX

        self._writer = tensorboardX.SummaryWriter
        self._root = folder.path / "tensorboard"
        self._members = members
        self._resumed = {row["stage"]: row["step"] for row in sorted(folder.rows(), key=lambda row: row["step"])}
        self._writers: dict[str, list[Any]] = {}

    def write(self, row: Row) -> None:
        stage = row["stage"]
        if stage not in self._writers:
            self._writers[stage] = self._open(stage)
        for name, values in measures(row).items():
            for writer, value in zip(self._writers[stage], values, strict=True):
                writer.add_scalar(f"{row['kind']}/{name}", value, row["step"])

    def close(self) -> None:
        for writers in self._writers.values():
            for writer in writers:
                writer.close()

    def _open(self, stage: str) -> list[Any]:
        """A writer for each member. Rows up to the resumed step stay; a stage without any is begun again."""
        first = self._resumed.get(stage, -1) + 1
        return [self._writer_at(self._root / member / stage, first) for member in self._members]

    def _writer_at(self, folder: Path, first: int) -> Any:
        # the suffix keeps two files apart that are begun within one second
        purge = first if folder.exists() else None
        return self._writer(str(folder), purge_step=purge, filename_suffix=f".from-{first}")
