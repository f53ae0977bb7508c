"""`mooring data show DATA`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from mooring.cli.data import DATA_HELP
from mooring.cli.output import number, write, write_json, write_table
from mooring.cli.parsing import Parser

if TYPE_CHECKING:
    from mooring.data.audit import Finding
    from mooring.data.catalog import Entry

DESCRIPTION = """Describes a data set, and says what looks odd in it; of a known one that is not on this machine, what
is known of it and how to get it."""
LONG = 8  # vectors of more numbers than this are shown by their smallest and largest


def run(words: Sequence[str]) -> int:
    parser = Parser("mooring data show", description=DESCRIPTION)
    parser.add_argument("data", metavar="DATA", help=DATA_HELP)
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.read(words)
    if entry := _absent(options.data):
        _write_entry(entry, options.json)
        return 0

    from mooring.data import load
    from mooring.data.audit import audit

    data = load(options.data)
    report = audit(data)
    described, findings = dict(report.summary), report.at("failure", "warning", "note")
    if options.json:
        write_json({"summary": described, "audit": [asdict(finding) for finding in findings]})
        return 0
    if list(described["obs"]) == ["obs"]:  # not a dict of parts
        described |= described["obs"]
    write_table(("what", "value"), list(_flat(described)))
    _write_audit(findings)
    return 0


def _absent(name: str) -> Entry | None:
    """What the catalog says of a known data set that is not on this machine."""
    from mooring.data import catalog, store

    entry = catalog.entries().get(name)
    return entry if entry and not store.found(entry) else None


def _write_entry(entry: Entry, as_json: bool) -> None:
    get = f"mooring data download {entry.name}"
    if as_json:
        return write_json({"catalog": asdict(entry), "here": False, "get": get})
    ends = " to ".join(map(number, entry.score_range or ())) or None
    size = f"{entry.bytes:,} bytes" if entry.bytes else None
    known = {
        "family": entry.family,
        "environment": entry.env,
        "random to expert return": ends,
        "most steps": entry.max_episode_steps,
        "rows": f"{entry.rows:,}" if entry.rows else None,
        "size": size,
        "checksum": entry.checksum,
        "license": entry.license,
        "from": entry.url or "Minari's own remote",
        "these facts from": entry.source,
    }
    write_table(
        (entry.name, "what is known of it"), [(name, str(value or "not known")) for name, value in known.items()]
    )
    return write(f"It is not on this machine. Get it by `{get}`.")


def _flat(described: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """A nested summary as rows; a dict of plain numbers and texts is one row."""
    for name, value in described.items():
        if isinstance(value, dict) and any(isinstance(part, dict | list) for part in value.values()):
            yield from _flat(value, f"{prefix}{name} ")
        elif isinstance(value, dict):
            yield prefix + name, ", ".join(f"{key} {number(part)}" for key, part in value.items())
        elif isinstance(value, list) and len(value) > LONG and not isinstance(value[0], str):
            yield prefix + name, f"{number(min(value))} to {number(max(value))} ({len(value)} numbers)"
        elif isinstance(value, list):
            yield prefix + name, ", ".join(number(part) for part in value) or "none"
        else:
            yield prefix + name, "unknown" if value is None else number(value)


def _write_audit(findings: Sequence[Finding]) -> None:
    if findings:
        rows = [(finding.level, finding.field, finding.text) for finding in findings]
        write_table(("audit", "field", "finding"), rows)
    else:
        write("The audit found nothing unusual.")
    write("`mooring data audit` says more, also as a page with plots.")
