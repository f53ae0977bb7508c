"""The command `mooring`: one file for each of its commands, imported when that one runs.

Nothing here imports JAX before there is work for it, so that help and errors come at once.
"""

import os
import sys
from argparse import RawDescriptionHelpFormatter
from collections.abc import Sequence
from importlib import import_module
from typing import NoReturn

from mooring import __version__
from mooring.cli.parsing import Parser
from mooring.errors import BadInput, unknown

COMMANDS = {
    "quickstart": "see a learned policy beat the data that it learned from, in two minutes",
    "train": "train an algorithm on a data set: several seeds and settings in one program",
    "evaluate": "let saved policies act in an environment, and score them",
    "algorithms": "list the algorithms, or the settings of one",
    "data": "list the known data sets, or describe and audit one",
    "show": "show what the folder of a run holds",
}
BAD_INPUT, INTERRUPTED = 2, 130


def command() -> NoReturn:
    """Runs the process's own command line, and ends the process."""
    code = main()
    if code == INTERRUPTED:
        # Python's own way out crashes where JAX was stopped amid a compilation.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)


def main(words: Sequence[str] | None = None) -> int:
    """Runs one command line (without the program's name; by default the process's own) and returns its exit code.

    0: done. 2: the input was bad, and one line on stderr said how. 130: interrupted. Other errors pass through.
    """
    try:
        return _run(list(sys.argv[1:] if words is None else words))
    except BadInput as error:
        sys.stderr.write(f"mooring: error: {error}\n")
        return BAD_INPUT
    except KeyboardInterrupt as interrupt:
        sys.stderr.write(f"\nmooring: interrupted{''.join(f'; {hint}' for hint in interrupt.args)}\n")
        return INTERRUPTED


def _run(words: list[str]) -> int:
    if not words or words[0].startswith("-"):
        parser = _parser()
        parser.read(words)
        parser.print_help(sys.stderr)
        return BAD_INPUT
    command, *rest = words
    if command not in COMMANDS:
        raise unknown("command", command, COMMANDS)
    return int(import_module(f"mooring.cli.{command}").run(rest))


def _parser() -> Parser:
    width = max(len(name) for name in COMMANDS)
    listing = "\n".join(f"  {name:{width}}  {purpose}" for name, purpose in COMMANDS.items())
    parser = Parser(
        "mooring",
        usage="mooring COMMAND ...",
        description="Policies from logged data, judged honestly.",
        epilog=f"commands:\n{listing}\n\n`mooring COMMAND --help` says more about each.",
        formatter_class=RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"mooring {__version__}")
    return parser
