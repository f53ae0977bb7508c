"""An audit as one HTML file: verdict, findings with their fixes, suggestions, plots as inline SVG, all checks.

The page needs nothing else: no font, script or picture from elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

from mooring.data.audit.report import Finding, Report
from mooring.data.dataset import Dataset
from mooring.report.html import document, gallery, section

VERDICTS = {
    "pass": ("Pass", "Nothing stands against training on this data."),
    "warning": ("Warning", "Something here may well spoil learning. Look before you train."),
    "failure": ("Fail", "This contradicts what a log of episodes can be. Mend it before you train."),
}
LEVELS = {"failure": "Failure", "warning": "Warning", "note": "Note", "pass": "Pass"}


def page(report: Report, data: Dataset | None) -> str:
    """The page; without plots and facts where the data could not be loaded. Plots need the extra `plot`.

    Raises BadInput where matplotlib is missing.
    """
    verdict, meaning = VERDICTS[report.verdict]
    sections = [
        section("Findings", findings(report)),
        section("What to try", _suggestions(report)),
        section("A closer look", _plots(report, data)),
        section("All checks", _checks(report)),
    ]
    header = f"""<p class="kind">Data audit</p>
<h1>{escape(report.name)}</h1>
<p><span class="verdict">{verdict}</span> {meaning}</p>
{facts(report.summary)}"""
    title = f"{report.name}: {verdict} - audit by Mooring"
    return document(title, header, sections, _fingerprint(report.summary), report.verdict)


def facts(summary: Mapping[str, Any]) -> str:
    """The main numbers, as tiles."""
    if not summary:
        return ""
    length, total, ends = summary["length"], summary["return"], summary["ends"]
    facts = {
        "rows": f"{summary['rows']:,}",
        "episodes": f"{summary['episodes']:,}",
        "steps per episode": _span(length["min"], length["max"]),
        "return": f"{_span(total['min'], total['max'])}<small>mean {_number(total['mean'])}</small>",
        "ends": "<br>".join(f"{count:,} {how}" for how, count in ends.items() if count),
        "actions": _space(summary["action"]),
        "observations": "<br>".join(_space(space) for space in summary["obs"].values()),
        "environment": escape(str(summary["env"] or "not known")),
    }
    tiles = "".join(f"<div><dt>{name}</dt><dd>{value}</dd></div>\n" for name, value in facts.items())
    return f'<dl class="facts">\n{tiles}</dl>\n'


def _span(low: float, high: float) -> str:
    return _number(low) if low == high else f"{_number(low)} to {_number(high)}"


def _number(value: float) -> str:
    """Four digits, or all of them before the point."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def _space(space: Mapping[str, Any]) -> str:
    """What a space is, in a few words."""
    if space["kind"] == "discrete":
        return f"one of {space['n']}"
    if space["kind"] == "image":
        return "image " + " x ".join(map(str, space["shape"]))
    return f"{space['size']} numbers"


def findings(report: Report) -> str:
    objections = report.at("failure", "warning", "note")
    if not objections:
        return '<p class="empty">Every check passed.</p>\n'
    return f'<div class="cards">\n{"".join(map(_card, objections))}</div>\n'


def _card(finding: Finding) -> str:
    place = [f"first row {finding.row:,}"] if finding.row is not None else []
    place += [f"count {finding.count:,}"] if finding.count is not None else []
    fix = f'<p class="fix">{escape(_sentence(finding.fix))}</p>' if finding.fix else ""
    where = f'<p class="place">{", ".join(place)}</p>' if place else ""
    return f"""<article class="{finding.level}">
<p class="label"><span>{LEVELS[finding.level]}</span> {escape(finding.check)} <code>{escape(finding.field)}</code></p>
<p>{escape(_sentence(finding.text))}</p>
{fix}{where}
</article>
"""


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + ("" if text.endswith(("?", ".")) else ".")


def _suggestions(report: Report) -> str:
    items = (
        f"<li><code>{escape(each.algorithm)}</code> {escape(_sentence(each.reason))}</li>\n"
        for each in report.suggestions
    )
    return f'<ol class="suggestions">\n{"".join(items)}</ol>\n' if report.suggestions else ""


def _checks(report: Report) -> str:
    rows = "".join(
        f'<tr class="{finding.level}"><td><span>{LEVELS[finding.level]}</span></td><td>{escape(finding.check)}</td>'
        f"<td><code>{escape(finding.field)}</code> {escape(finding.text)}</td></tr>\n"
        for finding in report.findings
    )
    return f'<table class="checks">\n{rows}</table>\n'


def _plots(report: Report, data: Dataset | None) -> str:
    if data is None:
        return ""
    from mooring.data.audit import audited
    from mooring.report.data_plots import PLOTS

    part, _ = audited(data)
    drawn = ((plot(part, report), words) for plot, words in PLOTS.items())
    return gallery((figure, words) for figure, words in drawn if figure)


def _fingerprint(summary: Mapping[str, Any]) -> str:
    return f" &middot; SHA-256 of the columns <code>{summary['fingerprint'][:16]}</code>" if summary else ""
