"""`mooring data convert IN OUT`."""

from __future__ import annotations

from argparse import RawDescriptionHelpFormatter
from collections.abc import Sequence
from typing import Any

from mooring.cli.data import DATA_HELP
from mooring.cli.output import write
from mooring.cli.parsing import Parser
from mooring.data.formats import FORMATS, Format
from mooring.errors import BadInput

ABOUT = """Writes a data set in another format, reads it back, and says what that format could not hold.

What stands in the place of OUT is replaced only with --force. OUT appears whole or not at all."""
WRITTEN = [each.name for each in FORMATS if each.writes]


def run(words: Sequence[str]) -> int:
    options = _parser().read(words)
    given: dict[str, Any] = {name: getattr(options, name) for name in ("env", "horizon") if getattr(options, name)}

    from mooring.data import Bounds, load, save

    if options.action_bounds:
        given["action_space"] = Bounds.of(*_pair(options.action_bounds), 1)
    data = load(options.source, format=options.read_as, **given)
    lost = save(data, options.target, options.format, force=options.force)
    write(f"{options.target}: {len(data):,} rows, {data.num_episodes:,} episodes; read back and compared.")
    for each in lost:
        write(f"  It does not hold {each}.")
    return 0


def _parser() -> Parser:
    parser = Parser(
        "mooring data convert",
        description=ABOUT,
        epilog="formats:\n" + "\n".join(map(_line, FORMATS)),
        formatter_class=RawDescriptionHelpFormatter,
    )
    parser.add_argument("source", metavar="IN", help=DATA_HELP)
    parser.add_argument("target", metavar="OUT", help="a file, a folder, or minari:NAME")
    parser.add_argument("--format", choices=WRITTEN, help="of OUT (default: by its ending)")
    parser.add_argument(
        "--from", dest="read_as", choices=[each.name for each in FORMATS], help="format of IN, if unclear"
    )
    parser.add_argument("--force", action="store_true", help="replace OUT")
    parser.add_argument("--env", metavar="ID", help="the Gymnasium task that the data are from")
    parser.add_argument("--horizon", type=int, metavar="N", help="most steps of an episode, where IN does not say")
    parser.add_argument("--action-bounds", metavar="LOW,HIGH", help="of continuous actions, where IN does not say")
    return parser


def _line(each: Format) -> str:
    endings = " ".join(each.endings) or "folder"
    return f"  {each.name:9} {endings:16} {each.purpose}{'' if each.writes else ' (only read)'}"


def _pair(text: str) -> tuple[float, float]:
    try:
        low, high = map(float, text.split(","))
    except ValueError as error:
        raise BadInput("--action-bounds", f"{text!r}", "two numbers, as --action-bounds=-2,2") from error
    return low, high
