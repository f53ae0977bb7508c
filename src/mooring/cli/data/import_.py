"""`mooring data import FILE ... --obs COLUMNS --action COLUMNS ... -o OUT`."""

from __future__ import annotations

from argparse import RawDescriptionHelpFormatter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mooring.cli.output import write
from mooring.cli.parsing import Parser
from mooring.data.formats import for_writing
from mooring.errors import BadInput

ABOUT = """Makes a data set from tables (CSV, TSV, Parquet) with one row for each step.

COLUMNS is one column or several between commas, each of which may be a pattern: --obs 'hr,bp,*_lab'. Rows may come in
any order: they are sorted by episode and time. The last row of an episode that did not terminate is left out, since
nothing tells what followed. Where values are missing, nothing is guessed: say by --missing what to do."""
COLUMNS = {
    "obs": "what was seen: numbers, or text, which becomes one entry for each of its values",
    "action": "what was done then: text and whole numbers are choices, other numbers are amounts",
    "reward": "what that brought; several columns are added up",
    "episode": "the episode that a row belongs to",
    "time": "when it was: numbers, dates or ISO 8601 text",
    "truncated": "1 in the last row of an episode that ended without terminating",
    "categorical": "columns of numbers that are taken like text",
    "behavior-prob": "the probability with which the log's own policy took the action",
    "mask": "one column for each discrete action, in order: 1 where it was allowed",
    "extra": "further columns to keep",
}
REQUIRED = ("obs", "action", "reward")
SINGLE = ("episode", "time", "truncated", "behavior-prob")
ACTION_TYPES = {
    "discrete": "whole numbers are the choices 0, 1, ... themselves",
    "categories": "the different values are counted from 0, in order",
    "continuous": "whole numbers are amounts, too",
}
CHOICES = {
    "missing": "what to do where observations, or the named columns, miss a value: error (default), drop-episode, "
    "forward, mean, zero or indicator, or several joined by +; as 'forward+mean,sex=indicator,dose=zero'",
    "step": "where rows are not equally far apart: the time of one step, as 1h or 30min where times are dates",
    "discount": "with --step: the discount of one step, which must be the one that is trained with",
    "name": "what the data set is called (default: as the first file)",
    "env": "the Gymnasium task that it is from",
}


def run(words: Sequence[str]) -> int:
    given = {name: value for name, value in vars(_parser().read(words)).items() if value is not None}
    files, out, force = given.pop("files"), given.pop("out"), given.pop("force")
    for_writing(Path(out))
    given["terminated"] = given.pop("done", None) or given.pop("ends", None) == "terminated"
    if "bounds" in given:
        given["bounds"] = _bounds(given["bounds"])

    from mooring.data import from_table, save

    data = from_table(files, say=write, **given)
    for lost in save(data, out, force=force):
        write(f"{out} does not hold {lost}.")
    write(f"Saved {out}: {data.num_episodes:,} episodes, {len(data):,} rows. `mooring data show {out}` describes them.")
    return 0


def _parser() -> Parser:
    parser = Parser("mooring data import", description=ABOUT, formatter_class=RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+", metavar="FILE", help="together they are one table")
    parser.add_argument(
        "-o", "--out", required=True, help="the data set to write, as out.npz (see mooring data convert)"
    )
    parser.add_argument("--force", action="store_true", help="replace OUT")
    columns = parser.add_argument_group("columns")
    for name, text in COLUMNS.items():
        metavar = "COLUMN" if name in SINGLE else "COLUMNS"
        columns.add_argument(f"--{name}", required=name in REQUIRED, metavar=metavar, help=text)
    ends = columns.add_mutually_exclusive_group(required=True)
    ends.add_argument("--done", metavar="COLUMN", help="1 in the last row of an episode after which the process ended")
    ends.add_argument("--ends", choices=("terminated", "cut"), help="how all episodes ended, where no column tells")
    choices = parser.add_argument_group("choices")
    kinds = choices.add_mutually_exclusive_group()
    for kind, text in ACTION_TYPES.items():
        kinds.add_argument(f"--{kind}", action="store_const", const=kind, dest="action_type", help=text)
    text = "of continuous actions (default: their range in the data); may be given several times"
    choices.add_argument("--bounds", action="append", metavar="[COLUMNS=]LOW,HIGH", help=text)
    text = "end: an episode's reward is what stands in its last row"
    choices.add_argument("--reward-at", choices=("row", "end"), help=text)
    for name, text in CHOICES.items():
        choices.add_argument(f"--{name}", metavar=name.upper(), help=text, type=float if name == "discount" else str)
    return parser


def _bounds(words: Sequence[str]) -> Any:
    """The two bounds of all action columns, or those of each that is named."""
    named = dict(_named_bounds(word) for word in words)
    return named[""] if list(named) == [""] else {name or "*": ends for name, ends in named.items()}


def _named_bounds(word: str) -> tuple[str, tuple[float, float]]:
    name, _, ends = word.rpartition("=")
    try:
        low, high = (float(end) for end in ends.split(","))
    except ValueError as error:
        raise BadInput(f"--bounds {word}", "is not two numbers", "LOW,HIGH or COLUMN=LOW,HIGH") from error
    return name, (low, high)
