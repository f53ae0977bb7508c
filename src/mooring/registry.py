"""What algorithms there are and what their settings are, read from their files without importing them.

An algorithm needs no registration: a class with a `name` in a file below `mooring/algorithms` is one, and so is any
class of a user's own file, named as `my_algorithm.py:Name`. Reading source instead of importing it keeps help and
listings quick, since JAX takes most of a second to import.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, get_args, get_origin

from mooring import settings
from mooring.errors import BadInput, unknown
from mooring.user_files import is_reference, load_object

if TYPE_CHECKING:
    from mooring.types import Algorithm

PACKAGE = Path(__file__).parent
NUMBERS = {name: get_args(kind) for name, kind in vars(settings).items() if get_origin(kind) is Annotated}
NUMBERS |= {"float": get_args(settings.Real), "int": (int, settings.Range(-settings.INFINITE, settings.INFINITE))}
WIDTHS = ("Widths", "tuple[int, ...]")
KINDS = (*NUMBERS, *WIDTHS, "bool", "str")
CITATION = re.compile(
    r'(?:(?P<method>[^":,.]+): )?(?P<authors>[^":]+? \d{4}), "(?P<title>[^"]+?),?"(?:, arXiv[: ](?P<arxiv>[\d.]+\d))?'
)


@dataclass(frozen=True)
class Setting:
    """A field of an algorithm: `kind` is its annotation as written, `help` the comment behind it.

    A `static` setting is compiled in, and can not be swept.
    """

    name: str
    kind: str
    default: Any = None
    static: bool = False
    help: str = ""

    @property
    def option(self) -> str:
        """What sets it on the command line."""
        return "--" + self.name.replace("_", "-")

    @property
    def base(self) -> str:
        """The kind where it is not None."""
        return self.kind.removesuffix(" | None")

    @property
    def choices(self) -> tuple[Any, ...]:
        """What a Literal may be; empty for other kinds."""
        if not self.base.startswith("Literal["):
            return ()
        return ast.literal_eval(f"({self.base.removeprefix('Literal[').removesuffix(']')},)")

    @property
    def expected(self) -> str:
        """What it may be, in words: "a number in [0, 1]", for one."""
        if self.base in NUMBERS:
            base, limits = NUMBERS[self.base]
            words = f"a {'whole ' if base is int else ''}number{_within(limits)}"
        elif self.choices:
            words = " or ".join(str(choice) for choice in self.choices)
        else:
            words = {"bool": "true or false", "str": "text"}.get(self.base, "widths, as 256,256")
        return words + (" or none" if self.base != self.kind else "")

    @property
    def sweepable(self) -> bool:
        """Whether several values of it can train in one program."""
        return not self.static and NUMBERS.get(self.kind.removesuffix(" | None"), (None,))[0] is float


class Paper(NamedTuple):
    """The work that a file names first. `authors` ends with the year; `arxiv` is an identifier such as 2110.06169."""

    authors: str
    title: str
    arxiv: str | None


@dataclass(frozen=True)
class Entry:
    """One algorithm. `reference` is `module:Class`, or `file.py:Class` of a user's; `family` is its folder."""

    name: str
    reference: str
    family: str
    actions: tuple[str, ...]
    summary: str
    paper: Paper | None
    settings: tuple[Setting, ...]

    @property
    def class_name(self) -> str:
        return self.reference.rpartition(":")[2]

    def setting(self, name: str) -> Setting:
        """The setting of that name. Raises BadInput with near names."""
        by_name = {setting.name: setting for setting in self.settings}
        if name not in by_name:
            raise unknown(f"setting of {self.name}", name, by_name)
        return by_name[name]


@cache
def entries() -> tuple[Entry, ...]:
    """Every algorithm that Mooring ships, by family and name."""
    found = [entry for path in (PACKAGE / "algorithms").rglob("*.py") for entry in _shipped(path)]
    return tuple(sorted(found, key=lambda entry: (entry.family, entry.name, entry.class_name)))


def forms(name: str) -> tuple[Entry, ...]:
    """The algorithms of that name: mostly one; two where continuous and discrete actions have a class each.

    `name` may be a user's `file.py:Class`. Raises BadInput for a name that does not exist, with near names.
    """
    if is_reference(name):
        return (_users(name),)
    named = tuple(entry for entry in entries() if entry.name == name)
    if not named:
        raise unknown("algorithm", name, [entry.name for entry in entries()])
    return named


def find(name: str, actions: str | None = None) -> Entry:
    """The algorithm of that name, in the form for `actions` ("continuous" or "discrete") where they are given.

    Raises BadInput where there is none: with near names, or with the algorithms that take such actions.
    """
    named = forms(name)
    fitting = [entry for entry in named if actions is None or actions in entry.actions]
    if not fitting:
        others = sorted({entry.name for entry in entries() if actions in entry.actions})
        takes = " or ".join(named[0].actions)
        raise BadInput(
            f"algorithm {name!r}", f"takes {takes} actions, the data has {actions} ones", fix=f"use {', '.join(others)}"
        )
    return fitting[0]


def find_class(name: str, class_name: str) -> Entry:
    """The algorithm of that name whose class is called so. Raises BadInput where there is none."""
    classes = {entry.class_name: entry for entry in forms(name)}
    if class_name not in classes:
        raise unknown(f"class of {name}", class_name, classes)
    return classes[class_name]


def load_class(entry: Entry) -> type[Algorithm]:
    """The class itself; imports JAX. Raises BadInput where a user's class is no Algorithm."""
    from mooring.types import Algorithm

    if is_reference(entry.reference):
        found = load_object(entry.reference)
    else:
        module, _, name = entry.reference.partition(":")
        found = getattr(import_module(module), name)
    if not (isinstance(found, type) and issubclass(found, Algorithm)):
        raise BadInput(entry.reference, "is not an algorithm", "a class that derives from mooring.types.Algorithm")
    return found


def parse_setting(setting: Setting, text: str) -> Any:
    """The value that `text` stands for, checked against the setting's kind. Raises BadInput that names the option."""
    if setting.base != setting.kind and text.lower() == "none":
        return None
    if setting.base == "str":
        return text
    try:
        return _parsed(setting, text)
    except ValueError:
        raise BadInput(setting.option, f"found {text!r}", setting.expected) from None


def _parsed(setting: Setting, text: str) -> Any:
    """The value. Raises ValueError where the text stands for none."""
    if setting.base == "bool":
        return bool(("false", "true").index(text.lower()))
    if setting.choices:
        return setting.choices[[str(choice) for choice in setting.choices].index(text)]
    if setting.base in WIDTHS:
        return tuple(_number(part, int, settings.Range(1, settings.INFINITE)) for part in text.split(","))
    return _number(text, *NUMBERS[setting.base])


def _number(text: str, base: type, limits: settings.Range) -> float | int:
    number = base(text)
    if not limits.holds(number):
        raise ValueError
    return number


def _within(limits: settings.Range) -> str:
    if limits.high < settings.INFINITE:
        return f" in {limits}"
    if limits.low > -settings.INFINITE:
        return f" {'above' if limits.open_low else 'of at least'} {limits.low:g}"
    return ""


class _File:
    """A parsed source file, whose classes are found by name, here or where they were imported from."""

    def __init__(self, path: Path) -> None:
        self.path = path
        source = path.read_text(encoding="utf-8")
        self.lines = source.splitlines()
        try:
            self.tree = ast.parse(source)
        except SyntaxError as error:
            raise BadInput(f"{path}, line {error.lineno}", error.msg) from None
        self.classes = {node.name: node for node in self.tree.body if isinstance(node, ast.ClassDef)}

    def resolve(self, name: str) -> tuple[_File, ast.ClassDef] | None:
        """A class of this file, or one that it imports from Mooring's algorithms."""
        if name in self.classes:
            return self, self.classes[name]
        for node in self.tree.body:
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("mooring.algorithms."):
                original = {alias.asname or alias.name: alias.name for alias in node.names}.get(name)
                file = PACKAGE.parent / f"{str(node.module).replace('.', '/')}.py"
                if original and file.is_file():
                    return _File(file).resolve(original)
        return None

    def body(self, node: ast.ClassDef) -> dict[str, tuple[_File, ast.AnnAssign | ast.Assign]]:
        """The assignments in a class and its bases, by name, in the order of a dataclass's fields."""
        found: dict[str, tuple[_File, ast.AnnAssign | ast.Assign]] = {}
        for base in node.bases:
            inherited = self.resolve(base.id) if isinstance(base, ast.Name) else None
            if inherited:
                file, parent = inherited
                found |= file.body(parent)
        for statement in node.body:
            if isinstance(statement, ast.AnnAssign | ast.Assign):
                target = statement.target if isinstance(statement, ast.AnnAssign) else statement.targets[0]
                found[ast.unparse(target)] = (self, statement)
        return found

    def comment(self, statement: ast.stmt) -> str:
        """The comment behind a statement."""
        line = self.lines[(statement.end_lineno or 0) - 1].encode()
        return line[statement.end_col_offset :].decode().strip().removeprefix("#").strip()


def _shipped(path: Path) -> Iterator[Entry]:
    """The algorithms of one of our files: the classes that name themselves."""
    file = _File(path)
    module = ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts)
    for node in file.classes.values():
        if any(isinstance(part, ast.AnnAssign) and ast.unparse(part.target) == "name" for part in node.body):
            yield _entry(file, node, f"{module}:{node.name}", path.parent.name)


def _users(reference: str) -> Entry:
    """The algorithm of a user's own file; where it has no name, its reference stands for it."""
    path, _, name = reference.rpartition(":")
    if not Path(path).is_file():
        raise BadInput(reference, f"there is no file {path}")
    file = _File(Path(path))
    if name not in file.classes:
        raise unknown(f"class in {path}", name, file.classes)
    return _entry(file, file.classes[name], reference, "yours")


def _entry(file: _File, node: ast.ClassDef, reference: str, family: str) -> Entry:
    body = file.body(node)
    if "actions" not in body:
        raise BadInput(reference, "does not say which actions it takes", 'for one, actions = ("continuous",)')
    summary = (ast.get_docstring(node) or "").partition("\n")[0]
    return Entry(
        name=_literal(*body["name"]) if "name" in body else reference,
        reference=reference,
        family=family,
        actions=tuple(_literal(*body["actions"])),
        summary=summary,
        paper=_paper(ast.get_docstring(file.tree) or "", node.name),
        settings=tuple(_settings(body)),
    )


def _settings(body: dict[str, tuple[_File, ast.AnnAssign | ast.Assign]]) -> Iterator[Setting]:
    """The fields that a user may set; what stages leave behind, and other objects, are not among them."""
    for name, (file, statement) in body.items():
        kind = ast.unparse(statement.annotation) if isinstance(statement, ast.AnnAssign) else ""
        base = kind.removesuffix(" | None")
        if base in KINDS or base.startswith("Literal["):
            call = statement.value
            static = isinstance(call, ast.Call) and ast.unparse(call.func).endswith("static")
            yield Setting(name, kind, _literal(file, statement), static, file.comment(statement))


def _literal(file: _File, statement: ast.AnnAssign | ast.Assign) -> Any:
    """What is assigned: a literal, or `static(literal)`."""
    value = statement.value
    if isinstance(value, ast.Call) and ast.unparse(value.func).endswith("static") and value.args:
        value = value.args[0]
    try:
        return ast.literal_eval(value or "")
    except (ValueError, SyntaxError):
        where = f"{file.path}, line {statement.lineno}"
        raise BadInput(where, f"found {ast.unparse(statement)}", "a literal or static(literal) as default") from None


def _paper(docstring: str, class_name: str) -> Paper | None:
    """The citation labeled with the method ("Double DQN: van Hasselt ..."), else the second paragraph's first one."""
    paragraphs = docstring.split("\n\n")
    cited = list(CITATION.finditer(" ".join(paragraphs[1].split()))) if len(paragraphs) > 1 else []
    labeled = [match for match in cited if (match["method"] or "").replace(" ", "") == class_name]
    return next((Paper(match["authors"], match["title"], match["arxiv"]) for match in labeled + cited), None)
