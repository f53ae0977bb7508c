"""`mooring data COMMAND`: one file for each command."""

from collections.abc import Sequence

from mooring.cli.menu import choose, menu_parser
from mooring.data.formats import ENDINGS

COMMANDS = {
    "list": "list the data sets that are known by name",
    "download": "fetch data sets that are known by name, and verify them",
    "import": "make a data set from tables: CSV or Parquet files with one row for each step",
    "collect": "make a data set: let a policy act, or learn while it acts",
    "convert": "write a data set in another format",
    "audit": "check a data set before it is trusted",
    "show": "describe a data set in numbers, and say what looks odd in it",
}
DATA_HELP = (
    f"a file ({', '.join(ENDINGS)}), a folder (of a Minari data set, or of an npz per episode), minari:NAME, "
    "my_data.py:function, or a known name"
)


def run(words: Sequence[str]) -> int:
    return choose(
        menu_parser("mooring data", "Brings, checks and makes logged data.", COMMANDS), __name__, COMMANDS, words
    )
