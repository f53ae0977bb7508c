"""`mooring data list [PART]` and `mooring data show DATA`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from mooring.cli.output import write, write_json, write_table
from mooring.cli.parsing import Parser
from mooring.errors import BadInput

if TYPE_CHECKING:
    from mooring.data.describe import Finding

DATA_HELP = "a file (.hdf5, .npz), the folder of a Minari data set, minari:NAME, my_data.py:function, or a known name"
LONG = 8  # vectors of more numbers than this are shown by their smallest and largest


def run(words: Sequence[str]) -> int:
    parser = Parser(
        "mooring data", description="Lists the data sets that are known by name, or describes and audits one."
    )
    parser.add_argument("action", choices=("list", "show"), help="what to do")
    parser.add_argument("data", nargs="?", help=f"for list: part of a name; for show: {DATA_HELP}")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.read(words)
    if options.action == "list":
        _list(options.data or "", options.json)
    elif options.data is None:
        raise BadInput("mooring data show", "no data set was named", fix="see mooring data --help")
    else:
        _show(options.data, options.json)
    return 0


def _list(part: str, as_json: bool) -> None:
    from mooring.data import catalog

    found = [entry for entry in catalog.entries().values() if part in entry.name]
    if not found:
        raise BadInput("mooring data list", f"no known name has {part!r} in it")
    if as_json:
        write_json([asdict(entry) for entry in found])
        return
    rows = [
        (entry.name, entry.env or "", *_numbers(entry.score_range or ("", "")), _number(entry.max_episode_steps or ""))
        for entry in found
    ]
    write_table(("name", "environment", "random return>", "expert return>", "most steps>"), rows)
    write("`mooring data show NAME` says where its file is looked for. Scores are 0 for random and 100 for expert.")


def _show(name: str, as_json: bool) -> None:
    from mooring.data import load
    from mooring.data.describe import audit, summary

    data = load(name)
    described, findings = summary(data), audit(data)
    if as_json:
        write_json({"summary": described, "audit": [asdict(finding) for finding in findings]})
        return
    if list(described["obs"]) == ["obs"]:  # not a dict of parts
        described |= described["obs"]
    write_table(("what", "value"), list(_flat(described)))
    _write_audit(findings)


def _flat(described: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """A nested summary as rows; a dict of plain numbers and texts is one row."""
    for name, value in described.items():
        if isinstance(value, dict) and any(isinstance(part, dict | list) for part in value.values()):
            yield from _flat(value, f"{prefix}{name} ")
        elif isinstance(value, dict):
            yield prefix + name, ", ".join(f"{key} {_number(part)}" for key, part in value.items())
        elif isinstance(value, list) and len(value) > LONG and not isinstance(value[0], str):
            yield prefix + name, f"{_number(min(value))} to {_number(max(value))} ({len(value)} numbers)"
        elif isinstance(value, list):
            yield prefix + name, ", ".join(_numbers(value)) or "none"
        else:
            yield prefix + name, "unknown" if value is None else _number(value)


def _write_audit(findings: Sequence[Finding]) -> None:
    if findings:
        rows = [(finding.level, finding.field, finding.text) for finding in findings]
        write_table(("audit", "field", "finding"), rows)
    else:
        write("The audit found nothing unusual.")


def _numbers(values: Sequence[Any]) -> list[str]:
    return [_number(value) for value in values]


def _number(value: Any) -> str:
    return f"{value:.5g}" if isinstance(value, float) else str(value)
