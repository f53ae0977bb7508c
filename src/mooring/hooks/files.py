"""Rows as lines of JSON in the run's folder."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mooring.hooks.log import Row
    from mooring.runs import RunFolder


class FileLogger:
    """Appends each row to metrics.jsonl at once, so that a killed run loses at most the line being written."""

    def __init__(self, folder: RunFolder) -> None:
        self._file = folder.metrics_file.open("a", encoding="utf-8")

    def write(self, row: Row) -> None:
        """One line; numbers that are not finite are NaN and Infinity, as Python's json reads them."""
        self._file.write(json.dumps(row) + "\n")
        self._file.flush()

    def close(self) -> None:
        self._file.close()
