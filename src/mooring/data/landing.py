"""Files and folders that appear whole or not at all."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def landing(path: Path) -> Iterator[Path]:
    """A place of the same name, in a hidden folder beside `path`, for a file or a folder to be written.

    What lies there at the end is synced to the disk and renamed to `path`. After an error `path` is as it was.
    Where a folder is replaced, a machine that stops between two renames leaves the old one in the hidden folder.
    """
    path = path.absolute()
    path.parent.mkdir(parents=True, exist_ok=True)
    room = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    try:
        part = room / path.name
        yield part
        for each in [part, *part.rglob("*")]:
            sync(each)
        _put(part, path, room / f"{path.name}.replaced")
        sync(path.parent)
    finally:
        shutil.rmtree(room, ignore_errors=True)


def _put(part: Path, path: Path, aside: Path) -> None:
    """Renames `part` to `path`; what can not be replaced by that, being a folder on either side, goes aside first."""
    moved = path.exists() and (path.is_dir() or part.is_dir())
    if moved:
        path.rename(aside)
    try:
        part.replace(path)
    except BaseException:
        if moved:
            aside.rename(path)
        raise


def sync(path: Path) -> None:
    """Waits until the disk has a file, or a folder's names."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
