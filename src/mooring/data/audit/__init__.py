"""The auditor: what in a data set contradicts what a log of episodes is, what may spoil learning, what suits it.

One file for each family of checks; each check is a function from a `Dataset` to findings, and names the thresholds that
it rests on. No check trains anything: they compare columns, and fit linear models on samples of the rows.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from mooring.data.audit import (
    actions,
    advice,
    alignment,
    coverage,
    duplicates,
    ends,
    leaks,
    observations,
    returns,
    rewards,
    stitching,
)
from mooring.data.audit.report import Check, Finding, Report, Suggestion, worst_first
from mooring.data.dataset import Dataset
from mooring.data.describe import summary
from mooring.data.loading import load

__all__ = ["CHECKS", "Check", "Finding", "Report", "Suggestion", "audit"]

FAMILIES = (alignment, ends, actions, rewards, observations, leaks, duplicates, coverage, returns, stitching)
CHECKS: tuple[Check, ...] = tuple(check for family in FAMILIES for check in family.CHECKS)


def audit(data: Any, **options: Any) -> Report:
    """Puts every check to a data set: a `Dataset`, or whatever `load` takes with these options.

    Changes nothing, and gives the same report at each call. Raises BadInput where the data can not be loaded;
    `audit.raw.refused` reports what is wrong with the columns of such a file.
    """
    data = load(data, **options)
    findings = worst_first(finding for check in CHECKS for finding in _put(check, data))
    report = Report(data.name, findings, summary(data))
    return replace(report, suggestions=advice.suggest(data, report))


def _put(check: Check, data: Dataset) -> list[Finding]:
    """A check's findings, or that it passed."""
    found = list(check.find(data)) or [Finding("pass", check.field, check.sound)]
    return [replace(finding, check=check.name) for finding in found]
