"""`mooring data download NAME ...`."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from mooring.cli.output import write
from mooring.cli.parsing import Parser
from mooring.errors import BadInput, missing_extra

if TYPE_CHECKING:
    from mooring.data.catalog import Entry
    from mooring.data.download import Told

DESCRIPTION = """Downloads data sets that are known by name, verifies them and keeps them where `load` looks.

What was interrupted goes on where it stopped. A file has to have the checksum that was published; where none was, the
one that the first download saw is kept beside the file, and later downloads and loads are held to it."""


def run(words: Sequence[str]) -> int:
    parser = Parser("mooring data download", description=DESCRIPTION)
    parser.add_argument("names", nargs="+", metavar="NAME", help="as `mooring data list` shows them")
    parser.add_argument("--to", metavar="FOLDER", help="where to keep them; else ~/.mooring/data")
    parser.add_argument("--from", dest="mirror", metavar="MIRROR", help="a folder, or a URL below which the files lie")
    options = parser.read(words)

    from mooring.data import catalog

    for entry in [catalog.find(name) for name in options.names]:
        try:
            _get(entry, options.to, options.mirror)
        except KeyboardInterrupt:
            again = shlex.join(["mooring", "data", "download", *words])
            raise KeyboardInterrupt(f"go on with: {again}") from None
    return 0


def _get(entry: Entry, to: str | None, mirror: str | None) -> None:
    if entry.family == "Minari":
        if to or mirror:
            raise BadInput(
                entry.name, "Minari keeps its data sets itself", fix="set MINARI_DATASETS_PATH instead of --to"
            )
        return _get_minari(entry.name.removeprefix("minari:"))

    from mooring.data import download, store

    if not to and (here := store.found(entry)):
        download.check(here)
        return write(f"{entry.name}: is there already, as {here}")
    write(f"{entry.name}: from {mirror or entry.url} ({entry.license or 'license not known'})")
    with _bar(entry.name) as told:
        path = store.fetch(entry.name, Path(to).expanduser() if to else None, mirror, told=told)
    return write(f"kept as {path}; {_trust(entry, path)}")


def _trust(entry: Entry, path: Path) -> str:
    from mooring.data import download

    if entry.checksum:
        return f"it has the published {entry.checksum.partition(':')[0]}"
    return f"no checksum is published: the SHA-256 seen now is in {download.record(path).name}, and counts from now on"


@contextmanager
def _bar(name: str) -> Iterator[Told]:
    """A bar on a terminal, nothing elsewhere."""
    from rich import progress
    from rich.console import Console

    console = Console(stderr=True)
    columns = (
        progress.TextColumn("{task.description}"),
        progress.BarColumn(30),
        progress.DownloadColumn(),
        progress.TransferSpeedColumn(),
        progress.TimeRemainingColumn(),
    )
    with progress.Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task(name, total=None)
        yield lambda have, total: bar.update(task, completed=have, total=total)


def _get_minari(name: str) -> None:
    """By Minari's own downloader, into Minari's own folder."""
    try:
        import minari
    except ImportError as error:
        raise missing_extra("minari", "minari", f"data set minari:{name}") from error
    try:
        minari.download_dataset(name)
    except ImportError as error:
        found = "Minari's downloader lacks a package"
        raise BadInput(f"data set minari:{name}", found, fix="pip install 'minari[hf]'") from error
    except (OSError, ValueError, RuntimeError) as error:
        raise BadInput(f"data set minari:{name}", f"Minari could not download it ({error})") from error
    write(f"minari:{name}: kept by Minari; `mooring data show minari:{name}` describes it")
