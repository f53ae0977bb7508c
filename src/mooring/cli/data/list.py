"""`mooring data list [PART]`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from mooring.cli.output import number, write, write_json, write_table
from mooring.cli.parsing import Parser
from mooring.errors import BadInput


def run(words: Sequence[str]) -> int:
    from mooring.data import catalog

    parser = Parser("mooring data list", description="Lists the data sets that are known by name.")
    parser.add_argument("part", nargs="?", default="", metavar="PART", help="part of a name")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.read(words)
    found = [entry for entry in catalog.entries().values() if options.part in entry.name]
    if not found:
        raise BadInput("mooring data list", f"no known name has {options.part!r} in it")
    if options.json:
        write_json([asdict(entry) for entry in found])
        return 0
    rows = [
        (
            entry.name,
            entry.env or "",
            *(number(end) for end in entry.score_range or ("", "")),
            number(entry.max_episode_steps or ""),
        )
        for entry in found
    ]
    write_table(("name", "environment", "random return>", "expert return>", "most steps>"), rows)
    write("`mooring data show NAME` says where its file is looked for. Scores are 0 for random and 100 for expert.")
    return 0
