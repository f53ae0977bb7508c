"""What every page is made of: one HTML file that needs nothing else, no font, script or picture from elsewhere.

The page says so itself: its policy (CSP) lets a browser fetch nothing, and run no script but page.js.
"""

from __future__ import annotations

import hashlib
import io
import re
from base64 import b64encode
from collections.abc import Iterable, Sequence
from html import escape
from importlib.resources import files
from typing import TYPE_CHECKING

from mooring import __version__

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def document(title: str, header: str, sections: Iterable[str], footer: str = "", kind: str = "pass") -> str:
    """The page: a header of HTML, whose color `kind` decides (pass, warning, failure), and sections below it."""
    style, script = _file("page.css"), _file("page.js")
    digest = b64encode(hashlib.sha256(script.encode()).digest()).decode()
    allowed = f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{allowed}">
<title>{escape(title)}</title>
<style>
{style}</style>
</head>
<body>
<header class="{kind}">
<div class="wide">
<button type="button" id="light" hidden></button>
{header}</div>
</header>
<main class="wide">
{"".join(sections)}</main>
<footer class="wide">
<p>Mooring {__version__}{footer}</p>
</footer>
<script>{script}</script>
</body>
</html>
"""


def section(title: str, body: str) -> str:
    """A section that links can name by its `anchor`. Nothing where the body is empty."""
    return f'<section id="{anchor(title)}">\n<h2>{title}</h2>\n{body}</section>\n' if body else ""


def anchor(title: str) -> str:
    """What a link to the section of that title says after its #."""
    return re.sub(r"\W+", "-", title.lower()).strip("-")


def gallery(figures: Iterable[tuple[Figure, str]], broad: bool = False) -> str:
    """Matplotlib's figures with their captions."""
    shown = (
        f'<figure class="drawn">{svg(figure)}<figcaption>{escape(words)}</figcaption></figure>\n'
        for figure, words in figures
    )
    return plots(shown, broad)


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of texts."""

    def cells(kind: str, row: Sequence[str]) -> str:
        return "".join(f"<{kind}>{escape(cell)}</{kind}>" for cell in row)

    body = "".join(f"<tr>{cells('td', row)}</tr>\n" for row in rows)
    return f'<div class="scroll"><table>\n<tr>{cells("th", header)}</tr>\n{body}</table></div>\n'


def plots(figures: Iterable[str], broad: bool = False) -> str:
    """Figures side by side where there is room; broad ones in fewer columns."""
    return f'<div class="plots{" broad" if broad else ""}">\n{"".join(figures)}</div>\n'


def missing(text: str) -> str:
    """A sentence about what is not there; what stands between backticks is typed."""
    parts = [
        f"<code>{escape(part)}</code>" if index % 2 else escape(part) for index, part in enumerate(text.split("`"))
    ]
    return f'<p class="missing">{"".join(parts)}</p>\n'


def made_by(commands: Iterable[str]) -> str:
    """What to type to get the numbers nearby again."""
    listed = "".join(f"<code>{escape(command)}</code>" for command in dict.fromkeys(commands))
    return f'<p class="made">Made by {listed}</p>\n'


def svg(figure: Figure) -> str:
    """The figure as an element that is as wide as its place allows; texts stay texts."""
    import matplotlib

    from mooring.report.plots import STYLE

    text = io.StringIO()
    with matplotlib.rc_context({**STYLE, "svg.fonttype": "none"}):
        figure.savefig(text, format="svg", metadata={"Date": None})
    element = text.getvalue()[text.getvalue().index("<svg") :]
    return re.sub(r'(<svg[^>]*?) width="[^"]*"| height="[\d.]+pt"', r"\1", element, count=2)


def _file(name: str) -> str:
    return files("mooring.report").joinpath(name).read_text(encoding="utf-8")
