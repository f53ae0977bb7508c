"""The command `mooring`: one file for each of its commands, imported when that one runs.

Nothing here imports JAX before there is work for it, so that help and errors come at once.
"""

import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from mooring import __version__
from mooring.cli.menu import choose, menu_parser
from mooring.compiled import keep_compiled
from mooring.cores import use_cores
from mooring.errors import BadInput

COMMANDS = {
    "quickstart": "see a learned policy beat the data that it learned from, in two minutes",
    "train": "train an algorithm on a data set: several seeds and settings in one program",
    "sweep": "train algorithms on data sets with seeds and settings, on all cores, all GPUs or a cluster",
    "finetune": "go on learning with a run's policies while they act in an environment",
    "evaluate": "let saved policies act in an environment, and score them",
    "estimate": "tell from logs alone what a run's policies are worth, and whether it can be told",
    "select": "choose among many policies by logs alone",
    "algorithms": "list the algorithms, or the settings of one",
    "data": "list, describe, bring, check and make data sets",
    "experiment": "make a whole study, from data to a page of results",
    "show": "show what the folder of a run holds",
    "compare": "compare the results of many runs, with intervals that hold",
    "report": "make one page about runs: scores, curves, comparisons, films, data",
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
    parser = menu_parser("mooring", "Policies from logged data, judged honestly.", COMMANDS)
    parser.add_argument("--version", action="version", version=f"mooring {__version__}")
    if not words:
        parser.print_help(sys.stderr)
        return BAD_INPUT
    keep_compiled()
    use_cores()
    return choose(parser, __name__, COMMANDS, words)
