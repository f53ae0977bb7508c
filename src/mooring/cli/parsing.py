"""Command lines: options made from settings, and complaints that are one line with near names."""

from argparse import ArgumentParser, BooleanOptionalAction, Namespace
from collections.abc import Iterable, Sequence
from typing import Any, NoReturn

from mooring.errors import BadInput, unknown
from mooring.registry import NUMBERS, WIDTHS, Setting, parse_setting


class Parser(ArgumentParser):
    """A parser of one command's words that raises BadInput where argparse would print its usage and exit."""

    def __init__(self, prog: str, **options: Any) -> None:
        super().__init__(prog, allow_abbrev=False, **options)

    def read(self, words: Sequence[str]) -> Namespace:
        """The words as names and values. Raises BadInput; an unknown option brings near names."""
        for word in words:
            option = word.partition("=")[0]
            known = [name for name in self._option_string_actions if name.startswith("--")]
            if option.startswith("--") and option not in known:
                raise unknown(f"option of {self.prog}", option, known)
        return self.parse_args(words)

    def error(self, message: str) -> NoReturn:
        raise BadInput(self.prog, message, fix=f"see {self.prog} --help")


def add_settings(parser: Parser, title: str, settings: Iterable[Setting]) -> None:
    """An option for each setting, under a title. What the command line leaves out is None in the namespace."""
    group = parser.add_argument_group(title)
    for setting in settings:
        said = f"{setting.help} " if setting.help else ""
        text = f"{said}(default: {shown(setting.default)})".replace("%", "%%")
        if setting.kind == "bool":
            group.add_argument(setting.option, action=BooleanOptionalAction, dest=setting.name, help=text)
        else:
            group.add_argument(setting.option, metavar=_metavar(setting), dest=setting.name, help=text)


def given(namespace: Namespace, settings: Iterable[Setting]) -> dict[str, Any]:
    """The values of those settings that the command line gave, checked. Raises BadInput that names the option."""
    found = {setting: getattr(namespace, setting.name) for setting in settings}
    texts = {setting: value for setting, value in found.items() if value is not None}
    return {s.name: parse_setting(s, value) if isinstance(value, str) else value for s, value in texts.items()}


def shown(default: Any) -> str:
    """A default as one would write it on the command line."""
    if isinstance(default, bool) or default is None:
        return str(default).lower()
    if isinstance(default, tuple):
        return ",".join(str(part) for part in default)
    return f"{default:g}" if isinstance(default, float) else str(default)


def _metavar(setting: Setting) -> str:
    if setting.choices:
        return "{" + ",".join(str(choice) for choice in setting.choices) + "}"
    if setting.base in WIDTHS:
        return "N,N,..."
    return "TEXT" if setting.base == "str" else {int: "N", float: "X"}[NUMBERS[setting.base][0]]
