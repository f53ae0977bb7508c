"""The data that runs learned from: read again where that can be done, audited, and what its own policy got."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from html import escape

import numpy as np

from mooring.data.audit import audit
from mooring.data.catalog import normalized, score_range_of_env
from mooring.data.dataset import Dataset
from mooring.data.loading import load
from mooring.errors import BadInput
from mooring.report.gathered import Task
from mooring.report.html import made_by, missing
from mooring.report.page import VERDICTS, facts, findings
from mooring.user_files import is_reference

BEHAVIOR = "behavior policy"


@dataclass(frozen=True, eq=False)
class Log:
    """A task's data, or in `trouble` why they can not be had. `episodes` are logged returns in the task's measure."""

    data: Dataset | None = None
    episodes: np.ndarray | None = None
    trouble: str = ""


Logs = Mapping[str, Log]
"""By the names of tasks."""


def read(task: Task) -> Log:
    """The data of a task's runs, if they still are what the runs learned from. No code of a user's is run for that."""
    described = task.runs[0].config["data"]
    origin = next((run.config["origin"] for run in task.runs if run.config.get("origin")), None)
    try:
        if origin is None:
            raise BadInput(described["name"], "was made in Python", fix="mooring data audit FILE looks at a file")
        if is_reference(origin):
            raise BadInput(origin, "is code, which is not run unasked", fix=f"run mooring data audit {origin}")
        data = load(origin)
        if data.fingerprint() != described["fingerprint"]:
            raise BadInput(origin, "holds other data now than when the run learned from it")
    except BadInput as error:
        return Log(trouble=str(error))
    return Log(data, _episodes(task, data))


def section_of(task: Task, log: Log) -> str:
    """What the audit says of the data: verdict, facts, findings."""
    if log.data is None:
        return missing(f"No audit of {task.name}: {log.trouble}")
    report = audit(log.data)
    verdict, meaning = VERDICTS[report.verdict]
    return f"""<h3>{escape(task.name)}</h3>
<p class="{report.verdict}"><span class="verdict">{verdict}</span> {meaning}</p>
{facts(report.summary)}<details><summary>Findings</summary>
{findings(report)}</details>
{made_by([f"mooring data audit {log.data.origin}"])}"""


def _episodes(task: Task, data: Dataset) -> np.ndarray | None:
    """What each logged episode got; None where the policies are evaluated elsewhere, or scores have no known range."""
    config, env = task.runs[0].config["data"], task.runs[0].config["evaluate"]["env"]
    if env != config["env"]:
        return None
    if task.measure == "return":
        return data.returns
    known = config["score_range"] or score_range_of_env(env or "")
    return normalized(data.returns, tuple(known)) if known else None
