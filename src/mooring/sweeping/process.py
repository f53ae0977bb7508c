"""What the process of a job runs: a command line of Mooring's, which ends when whoever started it does.

It ends however that came about, by kill or by crash: nothing goes on training that nobody waits for, and no two
processes write one run's folder.
"""

import os
import sys
import threading

from mooring.cli import command


def main() -> None:
    """Runs the words that it was given as `mooring` would."""
    threading.Thread(target=_end_with_the_other, daemon=True).start()
    sys.argv[0] = "mooring"
    command()


def _end_with_the_other() -> None:
    """Standard input is a pipe that nobody writes to: reading returns when its other end is gone."""
    os.read(sys.stdin.fileno(), 1)
    os._exit(1)


if __name__ == "__main__":
    main()
