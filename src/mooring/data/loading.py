"""`load`: one verb for every place that data comes from."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mooring.data import catalog
from mooring.data.dataset import Dataset
from mooring.errors import BadInput, unknown
from mooring.user_files import is_reference, load_object

QUICKSTART = Path(__file__).with_name("quickstart.npz")
POINTMASS = ("pointmass-easy", "pointmass-medium", "pointmass-hard")
PICKLES = (".pkl", ".pickle", ".p")


def load(source: str | Path | Dataset, **options: Any) -> Dataset:
    """The data set that `source` names:

    - a file `.hdf5` or `.h5` (D4RL's layout) or `.npz`, or the folder of a Minari data set;
    - `minari:NAME`, a data set in Minari's own folder;
    - `my_data.py:function`, which is called with `options` and returns a Dataset;
    - "quickstart", the embedded one; "pointmass-easy", "-medium" or "-hard", which `data.pointmass` makes;
    - a name of D4RL such as hopper-medium-v2, looked for in `folders()`;
    - a Dataset, which is returned as it is.

    For the others `options` are what `Dataset.build` takes beside columns: name, env, score_range, horizon,
    obs_space, action_space. Raises BadInput for whatever is unknown, absent, damaged, or a pickle.
    """
    if isinstance(source, Dataset):
        return source
    text = str(source)
    path = Path(source).expanduser()
    if text.startswith("minari:"):
        return _minari()(text.removeprefix("minari:"), **options)
    if is_reference(text):
        return _from_function(text, options)
    if text == "quickstart":
        return _read_file(QUICKSTART, {"name": "quickstart", **options})
    if text in POINTMASS:
        return _pointmass()(text.removeprefix("pointmass-"), **options)
    if path.is_dir():
        return _minari()(path, **options)
    if path.suffix or path.exists():
        return _read_file(path, options)
    return _read_file(_located(text), {"name": text, **options})


def folders() -> list[Path]:
    """Where catalog names are looked for: the folders of MOORING_DATA, ours, and the one that d4rl wrote to."""
    given = os.environ.get("MOORING_DATA", "").split(os.pathsep)
    homes = [Path.home() / ".mooring" / "data", Path.home() / ".d4rl" / "datasets"]
    return [Path(folder).expanduser() for folder in given if folder] + homes


def _located(name: str) -> Path:
    """The file of a catalog name."""
    if name not in catalog.entries():
        raise unknown("data set", name, ["quickstart", *POINTMASS, *catalog.entries()])
    wanted = (f"{name}.hdf5", catalog.find(name).file)
    for folder in folders():
        for file in wanted:
            if (folder / file).is_file():
                return folder / file
    looked = ", ".join(str(folder) for folder in folders())
    fix = f"put {' or '.join(dict.fromkeys(wanted))} there, or set MOORING_DATA to its folder"
    raise BadInput(f"data set {name!r}", f"its file is not in {looked}", fix=fix)


def _read_file(path: Path, options: dict[str, Any]) -> Dataset:
    if not path.is_file():
        raise BadInput(str(path), "no such file")
    _refuse_pickle(path)
    reader = _readers().get(path.suffix.lower())
    if reader is None:
        raise BadInput(str(path), f"its format {path.suffix!r} is not known", ", ".join(_readers()))
    return reader(path, **options)


def _refuse_pickle(path: Path) -> None:
    with path.open("rb") as file:
        start = file.read(1)
    if path.suffix.lower() in PICKLES or start == b"\x80":
        fix = "where you trust it, load it and save its columns with numpy.savez(path, obs=..., action=..., ...)"
        raise BadInput(str(path), "is a pickle, which could run any code and is never opened", fix=fix)


def _readers() -> dict[str, Callable[..., Dataset]]:
    from mooring.data.formats import d4rl, npz

    return {".hdf5": d4rl.read, ".h5": d4rl.read, ".npz": npz.read}


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
