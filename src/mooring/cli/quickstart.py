"""`mooring quickstart`."""

from collections.abc import Sequence
from pathlib import Path

from mooring.cli.parsing import Parser


def run(words: Sequence[str]) -> int:
    parser = Parser(
        "mooring quickstart",
        description="Audits the embedded data set, trains behavior cloning and an offline method on it with 4 seeds "
        "each, lets both act in the simulator, and compares them: two minutes on two cores.",
    )
    parser.add_argument(
        "-o", "--folder", default="quickstart-results", help="where runs, plots and policies go (%(default)s)"
    )
    options = parser.read(words)

    from mooring.quickstart import main

    main(Path(options.folder))
    return 0
