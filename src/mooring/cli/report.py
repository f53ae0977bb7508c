"""`mooring report RUN...`: one page about runs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mooring.cli.output import write
from mooring.cli.parsing import Parser, add_settings, given
from mooring.registry import Setting

OWN = (
    Setting("file", "str", "report.html", help="where the page is written; what is there is replaced"),
    Setting("films", "int", 3, help="how many runs are filmed, the best first; 0 takes no time"),
    Setting("audit", "bool", True, help="load the data, audit them, and show what their own policy got"),
    Setting("figures", "str | None", None, help="a folder for the plots as PNG and SVG, for papers"),
)


def run(words: Sequence[str]) -> int:
    parser = Parser(
        "mooring report",
        usage="mooring report RUN [RUN ...] [options]",
        description="Makes one page about runs, which works offline: scores, curves, comparisons, films, the data.",
    )
    parser.add_argument("runs", metavar="RUN", nargs="+", help="the folder of a run, or a folder of such folders")
    parser.add_argument("-o", dest="file", metavar="TEXT", help="short for --file")
    add_settings(parser, "the page", OWN)
    options = parser.read(words)
    own = {setting.name: setting.default for setting in OWN} | given(options, OWN)

    from mooring.report.writing import report

    file: Path = report(options.runs, **own)
    write(f"the page: {file} ({file.stat().st_size:,} bytes)")
    if own["figures"]:
        write(f"plots as PNG and SVG: {own['figures']}")
    return 0
