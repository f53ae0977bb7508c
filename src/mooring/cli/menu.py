"""A command that only chooses among others: each of them is a module, imported when its turn comes."""

from __future__ import annotations

from argparse import RawDescriptionHelpFormatter
from collections.abc import Mapping, Sequence
from importlib import import_module
from keyword import iskeyword
from typing import TYPE_CHECKING

from mooring.errors import BadInput, unknown

if TYPE_CHECKING:
    from mooring.cli.parsing import Parser


def choose(parser: Parser, package: str, commands: Mapping[str, str], words: Sequence[str]) -> int:
    """Runs the command that the first word names, with the others; its module in `package` has its name.

    The module of a command named by a keyword of Python ends in an underscore. Raises BadInput for other words.
    """
    if not words or words[0].startswith("-"):
        parser.read(words)
        raise BadInput(parser.prog, "no command was named", ", ".join(commands), f"see {parser.prog} --help")
    name, *rest = words
    if name not in commands:
        raise unknown("command", name, commands)
    module = import_module(f"{package}.{name}_" if iskeyword(name) else f"{package}.{name}")
    return int(module.run(rest))


def menu_parser(program: str, description: str, commands: Mapping[str, str]) -> Parser:
    """A parser whose help lists the commands, each with its purpose."""
    from mooring.cli.parsing import Parser

    width = max(len(name) for name in commands)
    listing = "\n".join(f"  {name:{width}}  {purpose}" for name, purpose in commands.items())
    return Parser(
        program,
        usage=f"{program} COMMAND ...",
        description=description,
        epilog=f"commands:\n{listing}\n\n`{program} COMMAND --help` says more about each.",
        formatter_class=RawDescriptionHelpFormatter,
    )
