"""Rows and noise that two programs share, so that what they compute from them can be compared. NumPy alone."""

from collections.abc import Iterator

import numpy as np

from contenders import work as shapes
from contenders.work import Work

UPDATES = 5  # the later ones see what optimizers and targets did
FIRST = 10_000_000  # updates before them, by Mooring's count: an even number that is past every warm-up


def work_of(method: str) -> Work:
    """Published settings, but that networks drop nothing."""
    return Work.of(method, **({"dropout": 0.0} if method == "dt" else {}))


def noise(shape: tuple[int, ...]) -> np.ndarray:
    """In place of normal numbers: it differs along the last axis alone, however rows are drawn."""
    return np.broadcast_to(np.sin(1.0 + np.arange(shape[-1])), shape).astype(np.float32)


def uniform_noise(shape: tuple[int, ...]) -> np.ndarray:
    return 0.5 + 0.4 * noise(shape)


def batches(work: Work) -> Iterator[dict[str, np.ndarray]]:
    """One batch of raw rows for each update; every seventh row is the last of its episode."""
    rows = shapes.rows(work.discrete)
    for update in range(UPDATES):
        index = update * work.batch_size + np.arange(work.batch_size)
        extra = {}
        if work.method == "dt":
            index = index[:, None] + np.arange(work.context)
            mask = (np.arange(work.context) >= index[:, :1] % work.context).astype(np.float32)
            timestep = (index % shapes.HORIZON).astype(np.int32)
            extra = {"timestep": timestep, "return_to_go": rows["reward"][index] * 100, "mask": mask}
        continues = (index % 7 != 6).astype(np.float32)
        columns = {name: rows[name][index] for name in ("obs", "action", "reward")}
        yield {**columns, "next_obs": rows["obs"][index + 1], "continues": continues, **extra}
