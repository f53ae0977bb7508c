"""Where the files of known data sets lie on this machine, and how they get there when somebody asks for it."""

from __future__ import annotations

import os
from pathlib import Path

from mooring.data import catalog, download
from mooring.data.catalog import Entry
from mooring.data.download import Limits, Told, Wanted
from mooring.errors import BadInput


def folders() -> list[Path]:
    """Where known names are looked for: the folders of MOORING_DATA, ours, and the one that d4rl wrote to."""
    given = os.environ.get("MOORING_DATA", "").split(os.pathsep)
    return [Path(folder).expanduser() for folder in given if folder] + [home(), Path.home() / ".d4rl" / "datasets"]


def home() -> Path:
    """Where downloads go."""
    return Path.home() / ".mooring" / "data"


def names(entry: Entry) -> list[str]:
    """What the file of a data set may be called: as its publishers do, or as it is known."""
    if not entry.file:
        return []
    return list(dict.fromkeys([entry.file, entry.name + Path(entry.file).suffix]))


def found(entry: Entry) -> Path | None:
    """The file of a data set, in the first folder that has it; of Minari's, the folder where Minari keeps it."""
    if entry.name.startswith("minari:"):
        root = os.environ.get("MINARI_DATASETS_PATH") or Path.home() / ".minari" / "datasets"
        place = Path(root) / entry.name.removeprefix("minari:")
        return place if place.is_dir() else None
    places = (folder / name for folder in folders() for name in names(entry))
    return next((place for place in places if place.is_file()), None)


def located(name: str) -> Path:
    """The file of a known name, which is the one that was downloaded. Raises BadInput where it is absent or changed."""
    entry = catalog.find(name)
    path = found(entry)
    if path is None:
        looked = ", ".join(str(folder) for folder in folders())
        by_hand = f"or put {' or '.join(names(entry))} there, or set MOORING_DATA to its folder"
        fix = f"get it by `mooring data download {name}`, {by_hand}"
        raise BadInput(f"data set {name!r}", f"its file is not in {looked}", fix=fix)
    download.check(path)
    return path


def fetch(
    name: str,
    folder: Path | None = None,
    mirror: str | None = None,
    limits: Limits = Limits(),  # noqa: B008
    told: Told = lambda have, total: None,
) -> Path:
    """Brings the file of a known name into `folder` (else `home()`) and returns where it lies.

    It comes from `mirror`, a folder or a URL below which the file lies under its publishers' name, else from where
    its publishers keep it. Raises BadInput as `download` does.
    """
    entry = catalog.find(name)
    if not entry.url or not entry.file:
        raise BadInput(f"data set {name!r}", "is not a file", fix=f"mooring data download {name}")
    wanted = Wanted((folder or home()) / entry.file, entry.bytes, entry.checksum)
    if mirror is None:
        download.download(entry.url, wanted, limits, told)
    elif "://" in mirror:
        download.download(f"{mirror.rstrip('/')}/{entry.file}", wanted, limits, told)
    else:
        download.copy(_in_mirror(entry, Path(mirror).expanduser()), wanted, told)
    return wanted.path


def _in_mirror(entry: Entry, folder: Path) -> Path:
    path = next((folder / name for name in names(entry) if (folder / name).is_file()), None)
    if path is None:
        raise BadInput(f"mirror {folder}", f"has no {' or '.join(names(entry))}")
    return path
