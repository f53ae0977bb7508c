"""Mooring, through the loop that `mooring train` runs: chunks of 1,000 updates on the device."""

from importlib.metadata import version

import jax
import numpy as np

from contenders import work as shapes
from contenders.protocol import Advance, serve
from contenders.work import Work
from mooring import loop, registry
from mooring.data import Dataset
from mooring.types import Algorithm

CHUNK = 1_000  # as `train` has it


def prepare(work: Work, form: str) -> Advance:
    """A population of the work's seeds, trained as `form` "loop" says: by `loop.advance`."""
    data, algorithms = dataset(work.discrete), loop.stack([algorithm(work)] * work.seeds)
    source = algorithm(work).source(data)
    run = loop.start(algorithms, source, data.spec(), loop.keys_of(range(work.seeds)))

    def advance(updates: int) -> int:
        nonlocal run
        for begun in range(0, updates, CHUNK):
            run, _ = loop.advance(algorithms, source, run, min(CHUNK, updates - begun))
        jax.block_until_ready(run.step)
        return updates * work.seeds

    return advance


def algorithm(work: Work) -> Algorithm:
    """The method with these settings; each is a published default unless a sweep moves it (see the tests)."""
    kind = "discrete" if work.discrete else "continuous"
    entry = next(each for each in registry.entries() if each.name == method(work) and kind in each.actions)
    return registry.load_class(entry)(**work.settings)


def method(work: Work) -> str:
    return work.method.removeprefix("discrete-")


def dataset(discrete: bool) -> Dataset:
    rows = shapes.rows(discrete)
    return Dataset.build(**rows, terminated=np.zeros(shapes.ROWS, bool), next_obs=rows["obs"])


def about() -> dict[str, str]:
    return {name: version(name) for name in ("jax", "equinox", "optax")}


if __name__ == "__main__":
    serve(prepare, about)
