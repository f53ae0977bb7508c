"""`mooring data audit DATA`."""

from __future__ import annotations

from argparse import RawDescriptionHelpFormatter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mooring.cli.data import DATA_HELP
from mooring.cli.output import write, write_json, write_table
from mooring.cli.parsing import Parser
from mooring.errors import BadInput

if TYPE_CHECKING:
    from mooring.data.audit import Finding, Report
    from mooring.data.audit.report import Level
    from mooring.data.dataset import Dataset

LEVELS: tuple[Level, ...] = ("failure", "warning", "note", "pass")
EXIT = {"pass": 0, "warning": 1, "failure": 3}  # 2 says that the data could not be read
DESCRIPTION = """Checks a data set before it is trusted: alignment, ends of episodes, actions, rewards, observations,
leaks, duplicates, coverage, returns, stitching; suggests algorithms."""
EPILOG = """exit codes: 0 pass (notes do not count), 1 warnings, 3 failures, 2 the data could not be read.
With --strict warnings count as failures."""


def run(words: Sequence[str]) -> int:
    parser = Parser(
        "mooring data audit", description=DESCRIPTION, epilog=EPILOG, formatter_class=RawDescriptionHelpFormatter
    )
    parser.add_argument("data", metavar="DATA", help=DATA_HELP)
    parser.add_argument("--html", type=Path, metavar="PAGE", help="also write a page with plots, in one file")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--strict", action="store_true", help="warnings count as failures")
    options = parser.read(words)
    if options.html and not options.html.parent.is_dir():
        raise BadInput("--html", f"there is no folder {options.html.parent}")

    from mooring.data import load
    from mooring.data.audit import audit
    from mooring.data.audit.raw import refused

    try:
        data = load(options.data)
    except BadInput as refusal:
        data, report = None, refused(options.data, refusal)
    else:
        report = audit(data)
    if options.html:
        _write_page(report, data, options.html)
    if options.json:
        write_json(report.to_dict())
    else:
        _write_report(report, options.html)
    return EXIT["failure" if options.strict and report.verdict == "warning" else report.verdict]


def _write_page(report: Report, data: Dataset | None, path: Path) -> None:
    from mooring.data.landing import landing
    from mooring.report.page import page

    text = page(report, data)
    with landing(path) as part:
        part.write_text(text, encoding="utf-8")


def _write_report(report: Report, html: Path | None) -> None:
    if objections := report.at("failure", "warning", "note"):
        rows = [(finding.level, finding.check, finding.field, _told(finding)) for finding in objections]
        write_table(("level", "check", "field", "finding"), rows)
    if passed := report.at("pass"):
        write_table(("passed", "field", "finding"), [(each.check, each.field, each.text) for each in passed])
    if report.suggestions:
        write_table(("try", "because"), [(each.algorithm, each.reason) for each in report.suggestions])
    counts = [(level, len(report.at(level))) for level in LEVELS]
    write(f"{report.name}: {report.verdict}: {', '.join(f'{count} x {level}' for level, count in counts if count)}")
    if html:
        write(f"The page with plots: {html}")


def _told(finding: Finding) -> str:
    """What was found, where first, and below it what to do."""
    row = f"; first row {finding.row}" if finding.row is not None and "row" not in finding.text else ""
    return f"{finding.text}{row}" + (f"\n-> {finding.fix}" if finding.fix else "")
