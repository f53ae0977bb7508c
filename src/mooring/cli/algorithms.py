"""`mooring algorithms [NAME]`."""

from collections.abc import Sequence

from mooring import registry
from mooring.cli.output import write, write_table
from mooring.cli.parsing import Parser, shown
from mooring.registry import Entry
from mooring.user_files import is_reference


def run(words: Sequence[str]) -> int:
    parser = Parser(
        "mooring algorithms",
        description="Lists the algorithms; with a name, that one's paper and settings.",
    )
    parser.add_argument("name", nargs="?", help="a name from the list, or my_algorithm.py:Name")
    name = parser.read(words).name
    if name is None:
        _list()
    else:
        for entry in registry.forms(name):
            _describe(entry)
    return 0


def _list() -> None:
    rows = [
        (entry.name, entry.family.replace("_", " "), ", ".join(entry.actions), _paper(entry), entry.summary)
        for entry in registry.entries()
    ]
    write_table(("name", "family", "actions", "paper", "advice"), rows)
    write("`mooring algorithms NAME` shows the settings of one.")


def _describe(entry: Entry) -> None:
    write(f"{entry.class_name}: {entry.summary}")
    if entry.paper:
        write(f'{entry.paper.authors}, "{entry.paper.title}"{_arxiv(entry)}')
    module, _, name = entry.reference.rpartition(":")
    imported = "" if is_reference(entry.reference) else f" In Python: from {module} import {name}"
    write(f"Actions: {', '.join(entry.actions)}.{imported}")
    rows = [
        (
            setting.name,
            setting.expected.removeprefix("a "),
            shown(setting.default),
            "yes" if setting.sweepable else "",
            setting.help,
        )
        for setting in entry.settings
    ]
    write_table(("setting", "kind", "default>", "sweep", "what it is; source"), rows)


def _paper(entry: Entry) -> str:
    return f"{entry.paper.authors}{_arxiv(entry)}" if entry.paper else ""


def _arxiv(entry: Entry) -> str:
    return f", arXiv {entry.paper.arxiv}" if entry.paper and entry.paper.arxiv else ""
