"""`mooring sweep RECIPE`: many algorithms on many data sets, on all cores, all GPUs or a cluster."""

from __future__ import annotations

import shlex
import signal
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NoReturn

from mooring.cli.output import write
from mooring.cli.parsing import Parser, add_settings, given
from mooring.registry import Setting

if TYPE_CHECKING:
    from mooring.sweeping.running import Swept

OWN = (
    Setting("on", "str", "local", help="where jobs run: local, ray, or ray://HOST:PORT"),
    Setting("workers", "Count | None", None, help="jobs at a time; else one for each GPU, or each core"),
    Setting("folder", "str | None", None, help="where all of it is kept; else runs/RECIPE"),
)
FAILED = 1
EXAMPLE = """a recipe, as TOML:
  data = ["hopper-medium-v2", "walker2d-medium-v2"]
  seeds = 5                    # or which ones, as [3, 5]
  evaluate_every = 50_000      # any option of mooring train
  pack = 16                    # the most members in one program

  [td3-bc]                     # an algorithm, with its settings
  alpha = [1.0, 2.5]           # a list: each of these values

  [iql]
"""


def run(words: Sequence[str]) -> int:
    from argparse import RawDescriptionHelpFormatter

    parser = Parser(
        "mooring sweep",
        usage="mooring sweep RECIPE [options]",
        description="Trains algorithms on data sets with seeds and settings; one table and one page come out.",
        epilog=EXAMPLE,
        formatter_class=RawDescriptionHelpFormatter,
    )
    parser.add_argument("recipe", metavar="RECIPE", help="a TOML file")
    parser.add_argument("-o", dest="folder", metavar="TEXT", help="short for --folder")
    parser.add_argument("--resume", action="store_true", help="do what is left of the sweep in the folder")
    add_settings(parser, "the sweep", OWN)
    options = parser.read(words)
    again = shlex.join(["mooring", "sweep", *words, *(() if options.resume else ("--resume",))])

    from mooring.sweeping.running import sweep

    before = signal.signal(signal.SIGTERM, _interrupt)
    try:
        swept = sweep(options.recipe, resume=options.resume, tell=_tell, **given(options, OWN))
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f"go on with: {again}") from None
    finally:
        signal.signal(signal.SIGTERM, before)
    _write(swept, again)
    return FAILED if swept.failed else 0


def _tell(line: str) -> None:
    """At once, also into a file or a pipe: it may be hours until the next line."""
    write(line)
    sys.stdout.flush()


def _interrupt(*_: Any) -> NoReturn:
    raise KeyboardInterrupt


def _write(swept: Swept, again: str) -> None:
    if swept.table:
        from mooring.cli.compare import write_summary
        from mooring.evaluation.collecting import collect
        from mooring.evaluation.summary import summary

        write_summary(summary(collect([swept.table])))
        write(f"the table: {swept.table}")
    if swept.page:
        write(f"the page: {swept.page}")
    if swept.failed:
        by_name = {job.name: job for job in swept.jobs}
        write(f"{len(swept.failed)} of {len(swept.jobs)} jobs failed:")
        for outcome in swept.failed:
            write(f"  {outcome.job}: {outcome.reason}")
            write(f"    log: {swept.log(outcome)}")
            write(f"    alone: {by_name[outcome.job].typed(swept.folder)}")
        write(f"try them again with: {again}")
