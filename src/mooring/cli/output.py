"""Tables and JSON on stdout."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console


def console() -> Console:
    """A terminal as wide as it is; where there is none, wide enough that lines stay whole."""
    from rich.console import Console

    return Console(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else 160)


def write(text: str = "") -> None:
    """One line of plain text."""
    sys.stdout.write(text + "\n")


def write_json(value: Any) -> None:
    write(json.dumps(value, indent=2))


def number(value: Any) -> str:
    """A float in five digits; anything else as it is."""
    return f"{value:.5g}" if isinstance(value, float) else str(value)


def write_table(header: Sequence[str], rows: Iterable[Sequence[str]], title: str | None = None) -> None:
    """A table; headers that end with ">" are of columns flush right."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False)
    for name in header:
        table.add_column(name.removesuffix(">"), justify="right" if name.endswith(">") else "left")
    for row in rows:
        table.add_row(*[Text(cell) for cell in row])
    console().print(table)
