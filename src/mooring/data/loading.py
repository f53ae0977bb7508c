"""`load`: one verb for every place that data comes from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from mooring.data import catalog, formats, store
from mooring.data.dataset import Dataset
from mooring.errors import BadInput, unknown
from mooring.user_files import is_reference, load_object

QUICKSTART = Path(__file__).with_name("quickstart.npz")
POINTMASS = ("pointmass-easy", "pointmass-medium", "pointmass-hard")


def load(source: str | Path | Dataset, *, format: str | None = None, **options: Any) -> Dataset:
    """The data set that `source` names:

    - a file or a folder in one of the formats of `data.formats`: D4RL, Minari, OGBench, NeoRL, episodes of images, our
      own npz and HDF5, Parquet, JSON lines, CSV, old pickles; told by ending and content, unless `format` names it;
    - `minari:NAME`, a data set in Minari's own folder;
    - `my_data.py:function`, which is called with `options` and returns a Dataset;
    - "quickstart", the embedded one; "pointmass-easy", "-medium" or "-hard", which `data.pointmass` makes;
    - a name of the catalog such as hopper-medium-v2, looked for in `store.folders()`;
    - a Dataset, which is returned as it is.

    For the others `options` are what `Dataset.build` takes beside columns: name, env, score_range, horizon,
    obs_space, action_space. Raises BadInput for whatever is unknown, absent or damaged.
    """
    if isinstance(source, Dataset):
        return source
    path = Path(source).expanduser()
    origin = str(path.resolve()) if path.exists() else str(source)
    return replace(_loaded(str(source), path, format, options), origin=None if format or options else origin)


def expect(source: str, here: bool = True) -> None:
    """Raises BadInput for a source whose name does not exist, or which is absent; no data is read.

    Where it is not `here` but on another machine that it will be read, only names can be judged.
    """
    path = Path(source).expanduser()
    if source.startswith("minari:") or source in ("quickstart", *POINTMASS):
        return
    if is_reference(source) or path.suffix or path.exists():
        file = Path(source.rpartition(":")[0]) if is_reference(source) else path
        if here and not file.exists():
            raise BadInput(source, f"there is no file {file}")
    elif here:
        store.located(_known(source))
    else:
        _known(source)


def _loaded(text: str, path: Path, format: str | None, options: dict[str, Any]) -> Dataset:
    if text.startswith("minari:"):
        return _minari()(text.removeprefix("minari:"), **options)
    if is_reference(text):
        return _from_function(text, options)
    if text == "quickstart":
        return _read(QUICKSTART, format, {"name": "quickstart", **options})
    if text in POINTMASS:
        return _pointmass()(text.removeprefix("pointmass-"), **options)
    if path.suffix or path.exists():
        return _read(path, format, options)
    return _read(store.located(_known(text)), format, {"name": text, **options})


def _known(name: str) -> str:
    """A name of the catalog. Raises BadInput with near names."""
    if name not in catalog.entries():
        raise unknown("data set", name, ["quickstart", *POINTMASS, *catalog.entries()])
    return name


def _read(path: Path, format: str | None, options: dict[str, Any]) -> Dataset:
    if not path.exists():
        raise BadInput(str(path), "no such file")
    reader = formats.named(format) if format else formats.of(path)
    return reader.read(path, **options)


def _minari() -> Callable[..., Dataset]:
    from mooring.data.formats import minari

    return minari.read


def _pointmass() -> Callable[..., Dataset]:
    from mooring.data import pointmass

    return pointmass.make


def _from_function(reference: str, options: dict[str, Any]) -> Dataset:
    """What a function of a user's own file returns."""
    data = load_object(reference)(**options)
    if not isinstance(data, Dataset):
        raise BadInput(reference, f"returned {type(data).__name__}", "a Dataset", "make one with Dataset.build")
    return data
