"""What an audit says: findings, the verdict that follows from them, and the methods that suit the data."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from mooring.data.dataset import Dataset

Level = Literal["pass", "note", "warning", "failure"]
LEVELS: tuple[Level, ...] = ("pass", "note", "warning", "failure")


@dataclass(frozen=True)
class Finding:
    """What one check found in one field.

    `level`: "failure" contradicts what a log of episodes can be, "warning" may well spoil learning, "note" is worth
    knowing, "pass" is as it should be. `row` is the first row concerned and `count` how many are, where rows can be
    named. `evidence` holds the numbers that the sentence rests on, `fix` what to do about it.
    """

    level: Level
    field: str
    text: str
    fix: str = ""
    row: int | None = None
    count: int | None = None
    evidence: Mapping[str, float | int] = dataclasses.field(default_factory=dict)
    check: str = ""


@dataclass(frozen=True)
class Check:
    """A question put to the data: `sound` is the answer where `find` yields nothing."""

    name: str
    field: str
    sound: str
    find: Callable[[Dataset], Iterable[Finding]]


@dataclass(frozen=True)
class Suggestion:
    """An algorithm of the registry, and why it suits the data."""

    algorithm: str
    reason: str


@dataclass(frozen=True)
class Report:
    """An audit's result. `findings` are ordered worst first; `summary` is that of `mooring.data.describe`."""

    name: str
    findings: tuple[Finding, ...]
    summary: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    suggestions: tuple[Suggestion, ...] = ()

    @property
    def verdict(self) -> Literal["pass", "warning", "failure"]:
        """The worst level; notes do not stand against data."""
        levels = {finding.level for finding in self.findings}
        return "failure" if "failure" in levels else "warning" if "warning" in levels else "pass"

    def at(self, *levels: Level) -> list[Finding]:
        """The findings of these levels."""
        return [finding for finding in self.findings if finding.level in levels]

    def found(self, check: str) -> list[Finding]:
        """The findings of a check."""
        return [finding for finding in self.findings if finding.check == check]

    def evidence(self, check: str) -> dict[str, float | int]:
        """All numbers of a check, by name."""
        return {name: value for finding in self.found(check) for name, value in finding.evidence.items()}

    def to_dict(self) -> dict[str, Any]:
        """Plain dicts, lists, strings and numbers, as JSON takes them."""
        return {"verdict": self.verdict, **asdict(self)}


def worst_first(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    return tuple(sorted(findings, key=lambda finding: -LEVELS.index(finding.level)))
