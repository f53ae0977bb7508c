"""Which columns a name, a list of names or a glob pattern means."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from fnmatch import fnmatchcase

from mooring.errors import BadInput, unknown

Names = str | Sequence[str]
"""A column, several between commas, or a list of them; each may be a glob pattern such as "*_lab"."""


def listed(names: Names) -> list[str]:
    """The single names and patterns."""
    return [name.strip() for name in names.split(",") if name.strip()] if isinstance(names, str) else list(names)


def is_pattern(name: str) -> bool:
    return any(sign in name for sign in "*?[")


def expanded(names: Names, known: Sequence[str], where: str, taken: Collection[str] = ()) -> list[str]:
    """The columns that are meant, in the order of the names and, within a pattern, of the table.

    A pattern passes over the columns that are `taken`: those that another role names outright. Raises BadInput, with
    near names, for what is not there.
    """
    found: list[str] = []
    for name in [names] if isinstance(names, str) and names in known else listed(names):
        found += [name] if name in known else _matching(name, known, where, taken)
    return list(dict.fromkeys(found))


def assigned(roles: Mapping[str, Names], known: Sequence[str], where: str) -> dict[str, list[str]]:
    """The columns of each role. A pattern never takes what another role names outright."""
    outright = {
        role: {name for name in [names, *listed(names)] if isinstance(name, str) and name in known}
        for role, names in roles.items()
    }
    return {
        role: expanded(names, known, where, {name for other in outright if other != role for name in outright[other]})
        for role, names in roles.items()
    }


def _matching(pattern: str, known: Sequence[str], where: str, taken: Collection[str]) -> list[str]:
    if not is_pattern(pattern):
        raise unknown(f"{where}: column", pattern, known)
    matching = [name for name in known if fnmatchcase(name, pattern) and name not in taken]
    if not matching:
        raise BadInput(where, f"no column matches {pattern!r}", fix=f"known: {', '.join(known)}")
    return matching
