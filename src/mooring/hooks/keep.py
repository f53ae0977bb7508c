"""The hook that keeps the policies of the past."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from mooring.hooks import Hook
from mooring.runs import RunFolder
from mooring.types import Algorithm

if TYPE_CHECKING:
    from mooring.training import Session


class KeepPolicies(Hook):
    """Every `every` updates, and at the last one, each member's policy as folder/STEP/policies/LABEL.safetensors."""

    def __init__(self, every: int, folder: Path, algorithm: Algorithm) -> None:
        self.every, self.folder, self.algorithm = every, folder, algorithm

    def __call__(self, session: Session) -> None:
        home = RunFolder(self.folder / str(session.step))
        home.save_policies(session.policies(), self.algorithm, session.spec, session.members)
