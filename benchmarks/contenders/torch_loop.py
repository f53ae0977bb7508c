"""A lean PyTorch loop: rows on the device as tensors, drawn by one index; eager or compiled.

Compiled is what changes no state: targets, and losses with their backward passes. Compiling whole updates, with the
optimizer, was slower where it was tried: it breaks at the optimizer.
"""

import os
from collections.abc import Callable
from importlib.metadata import version

import numpy as np
import torch

from contenders import work as shapes
from contenders.protocol import Advance, serve
from contenders.torch_methods import METHODS, Batch
from contenders.work import Work


def prepare(work: Work, form: str) -> Advance:
    torch.manual_seed(0)
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    method, source = METHODS[work.method](work), (windows if work.method == "dt" else uniform)(work)
    for name in method.pure if form == "compiled" else ():
        setattr(method, name, torch.compile(getattr(method, name), fullgraph=True))

    def advance(updates: int) -> int:
        for _ in range(updates):
            method.update(source())
        return updates

    return advance


def uniform(work: Work) -> Callable[[], Batch]:
    """Draws rows with replacement."""
    columns = [torch.from_numpy(column) for column in transitions(work)]

    def draw() -> Batch:
        index = torch.randint(shapes.ROWS, (work.batch_size,))
        return Batch(*(column[index] for column in columns))

    return draw


def transitions(work: Work) -> list[np.ndarray]:
    rows = shapes.rows(work.discrete)
    obs = shapes.standardized(rows["obs"]) if work.method in shapes.STANDARDIZED else rows["obs"]
    return [obs, rows["action"], rows["reward"], obs, np.ones(shapes.ROWS, np.float32)]


def windows(work: Work) -> Callable[[], Batch]:
    """Draws windows of rows of one episode; what its end cuts off is padding in front."""
    place = torch.arange(shapes.ROWS) % shapes.HORIZON
    obs, action, reward, next_obs, continues = (torch.from_numpy(column) for column in transitions(work))
    to_go = reward.view(-1, shapes.HORIZON).flip(1).cumsum(1).flip(1).flatten()
    columns = [obs, action, reward, next_obs, continues, place, to_go]
    span = torch.arange(work.context)

    def draw() -> Batch:
        start = torch.randint(shapes.ROWS, (work.batch_size,))
        padding = work.context - (shapes.HORIZON - place[start]).clamp(max=work.context)
        offset = span - padding[:, None]
        index = start[:, None] + offset.clamp(min=0)
        return Batch(*(column[index] for column in columns), mask=(offset >= 0).float())

    return draw


def about() -> dict[str, str]:
    return {"torch": version("torch")}


if __name__ == "__main__":
    serve(prepare, about)
