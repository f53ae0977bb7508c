"""Files whose columns are refused: which of them are wrong, and where, all at once rather than the first alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import h5py
import numpy as np

from mooring.data.audit.report import Finding, Report
from mooring.data.formats import hdf5, names, npz
from mooring.data.validation import rows_with
from mooring.errors import BadInput


def refused(source: str | Path, refusal: BadInput) -> Report:
    """What is wrong with the raw columns of a file that `load` refused; raises the refusal where they can not be read.

    The verdict is "failure". The report names every column with numbers that are not finite, or with another number of
    rows than the reward.
    """
    arrays = _arrays(Path(source).expanduser())
    if arrays is None:
        raise refusal
    text = str(refusal).removeprefix(f"{source}: ")
    first = Finding("failure", "file", f"is refused: {text}", check="border")
    return Report(Path(source).name, (first, *not_finite(arrays), *unequal(arrays)))


def not_finite(arrays: Mapping[str, np.ndarray]) -> Iterator[Finding]:
    """Each column that holds NaN or infinity: how many rows, and the first."""
    for name, array in arrays.items():
        if array.dtype.kind != "f" or array.ndim == 0 or np.isfinite(array).all():
            continue
        rows, missing, endless = rows_with(~np.isfinite(array)), int(np.isnan(array).sum()), int(np.isinf(array).sum())
        text = f"holds {missing} NaN and {endless} infinities in {len(rows)} rows, first row {rows[0]}"
        fix = "drop the episodes concerned, or fill the gaps by a rule that the policy can apply too"
        evidence = {"nan": missing, "infinite": endless}
        yield Finding("failure", name, text, fix, int(rows[0]), len(rows), evidence, "finite numbers")


def unequal(arrays: Mapping[str, np.ndarray]) -> Iterator[Finding]:
    """Columns that have another number of rows than the reward; T + 1 observations beside T actions are told apart."""
    reward = next((arrays[name] for name in names.SYNONYMS["reward"] if name in arrays), None)
    if reward is None or reward.ndim == 0:
        return
    flags = [
        arrays[name]
        for kind in ("terminated", "truncated", "done", "last")
        for name in names.SYNONYMS[kind]
        if name in arrays
    ]
    alike = [flag.reshape(-1) != 0 for flag in flags if flag.size == len(reward)]
    episodes = int(np.logical_or.reduce(alike).sum()) if alike else 0
    for name, array in arrays.items():
        if name not in names.KNOWN or array.ndim == 0 or len(array) == len(reward):
            continue
        text, fix = f"has {len(array)} rows, and reward has {len(reward)}", "one row per step in every column"
        if episodes and 0 <= len(array) - len(reward) - episodes <= 1:
            text += f": one more for each of {len(array) - len(reward)} episodes, the observation after its last action"
            fix = (
                "cut the columns into episodes and use Dataset.from_episodes; cutting off the end would shift all rows"
            )
        yield Finding("failure", name, text, fix, evidence={"rows": len(array)}, check="rows")


def _arrays(path: Path) -> dict[str, np.ndarray] | None:
    """The arrays of numbers in a file, by name; None where it is of no format that holds named arrays, or damaged."""
    if not path.is_file():
        return None
    try:
        if path.suffix == ".npz":
            return {name: array for name, array in npz.arrays_of(path, str(path)).items() if array.dtype.kind in "biuf"}
        if h5py.is_hdf5(path):
            with h5py.File(path, "r") as file:
                return hdf5.arrays_of(file)
    except (BadInput, OSError):
        return None
    return None
