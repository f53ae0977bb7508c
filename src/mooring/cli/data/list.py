"""`mooring data list [PART]`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from mooring.cli.output import number, write, write_json, write_table
from mooring.cli.parsing import Parser
from mooring.errors import BadInput, unknown

if TYPE_CHECKING:
    from mooring.data.catalog import Entry

HEADER = (
    "name",
    "family",
    "environment",
    "random return>",
    "expert return>",
    "most steps>",
    "size>",
    "license",
    "here",
)


def run(words: Sequence[str]) -> int:
    parser = Parser("mooring data list", description="Lists the data sets that are known by name.")
    parser.add_argument("part", nargs="?", default="", metavar="PART", help="part of a name")
    parser.add_argument("--family", metavar="NAME", help="only those of d4rl, minari, ogbench or neorl-2")
    parser.add_argument("--env", default="", metavar="PART", help="only those of environments with this in their name")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.read(words)
    found = _chosen(options.part, options.family, options.env)
    if options.json:
        write_json([asdict(entry) for entry in found])
        return 0
    write_table(HEADER, map(_row, found))
    write("`mooring data show NAME` says more, `mooring data download NAME` fetches. Scores: 0 is random, 100 expert.")
    return 0


def _chosen(part: str, family: str | None, env: str) -> list[Entry]:
    from mooring.data import catalog

    families = {entry.family.lower(): entry.family for entry in catalog.entries().values()}
    if family and family.lower() not in families:
        raise unknown("family", family, families)
    found = [
        entry
        for entry in catalog.entries().values()
        if part in entry.name
        and env.lower() in (entry.env or "").lower()
        and (not family or entry.family == families[family.lower()])
    ]
    if not found:
        raise BadInput("mooring data list", "no known data set is like that", fix="ask for less")
    return found


def _row(entry: Entry) -> tuple[str, ...]:
    from mooring.data import store

    ends = entry.score_range or ("", "")
    steps, size = entry.max_episode_steps or "", size_of(entry)
    here = "yes" if store.found(entry) else ""
    described = (entry.name, entry.family, entry.env or "", *map(number, ends), str(steps))
    return (*described, size, entry.license or "", here)


def size_of(entry: Entry) -> str:
    """As in "153 MB"; empty where nobody published it."""
    from rich.filesize import decimal

    return decimal(entry.bytes, precision=0) if entry.bytes else ""
