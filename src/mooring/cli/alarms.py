"""What the watcher of a run's critics has to say, in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mooring.cli.output import write


def write_alarms(members: Sequence[Mapping[str, Any]], rows: Sequence[Mapping[str, Any]]) -> None:
    """As of the last look: for each light who has it, why the first of them does, and what to do.

    Nothing where nothing was watched.
    """
    from mooring.diagnostics.light import Light, verdicts
    from mooring.population import Member

    found = verdicts(rows, len(members))
    if not found:
        return
    for light in (Light.RED, Light.YELLOW):
        alike = [index for index, verdict in enumerate(found) if verdict.light == light]
        if alike:
            who = "; ".join(Member(**members[index]).label for index in alike)
            write(f"values {light.name.lower()}: {who}. {found[alike[0]].reason}.")
            write(f"  what to do: {found[alike[0]].advice}.")
    if all(verdict.light == Light.GREEN for verdict in found):
        write("values green: nothing points to their running away.")
