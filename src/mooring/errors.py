"""What a user reads when an input is wrong: one line that names the place, the finding and the fix."""

from collections.abc import Iterable
from difflib import get_close_matches


class BadInput(ValueError):
    """Something that came from outside (data, config, checkpoint, command line) is wrong.

    The message reads `where: found; expected; fix`. The command line prints it and exits with 2.
    """

    def __init__(self, where: str, found: str, expected: str = "", fix: str = "") -> None:
        self.where, self.found, self.expected, self.fix = where, found, expected, fix
        parts = [found, expected and f"expected {expected}", fix]
        super().__init__(f"{where}: " + "; ".join(part for part in parts if part))


def unknown(kind: str, name: str, known: Iterable[str]) -> BadInput:
    """The error for a name that does not exist, with the nearest names that do."""
    known = sorted(set(known))
    lower = {each.lower(): each for each in known}
    near = [lower[each] for each in get_close_matches(name.lower(), lower, n=3, cutoff=0.5)]
    fix = f"did you mean {' or '.join(near)}?" if near else f"known: {', '.join(known)}"
    return BadInput(f"{kind} {name!r}", "does not exist", fix=fix)


def missing_extra(package: str, extra: str, purpose: str) -> BadInput:
    """The error for an optional dependency that is not installed."""
    return BadInput(purpose, f"needs the package {package}", fix=f"pip install 'mooring[{extra}]'")
