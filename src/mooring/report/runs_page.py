"""Runs as one page: scores, comparisons, what was measured, estimates from logs, films, data, commands.

What a run does not have is named, with the command that brings it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from mooring.report.compared import comparisons
from mooring.report.filmed import films
from mooring.report.gathered import Run, Task
from mooring.report.html import anchor, document, made_by, section
from mooring.report.judged import estimates
from mooring.report.logged import Log, read, section_of
from mooring.report.measured import metrics
from mooring.report.scored import learning_curves, scores
from mooring.report.watched import watched


def page(tasks: Sequence[Task], filmed: int = 3, audited: bool = True) -> str:
    """The whole page. So many runs at most are filmed, the best first; data are read where they shall be audited."""
    logs = {task.name: read(task) if audited else Log() for task in tasks}
    colors = {name: index for index, name in enumerate(dict.fromkeys(name for task in tasks for name in task.groups))}
    runs = [run for task in tasks for run in task.runs]
    bodies = {
        "Scores": [scores(task, colors, logs[task.name]) for task in tasks],
        "Learning curves": [learning_curves(task, colors, logs[task.name]) for task in tasks],
        "Compared": [comparisons(tasks, colors)],
        "From logs alone": [estimates(runs)],
        "Divergence watch": [watched(task, colors) for task in tasks],
        "While training": [metrics(task, colors) for task in tasks],
        "Films": [films(tasks, filmed)],
        "Data": [section_of(task, logs[task.name]) for task in tasks if audited],
        "How it was made": [_commands(tasks)],
    }
    sections = {title: "".join(parts) for title, parts in bodies.items() if any(parts)}
    title = runs[0].name if len(runs) == 1 else f"{len(runs)} runs"
    header = f'<p class="kind">Report</p>\n<h1>{escape(title)}</h1>\n{_facts(tasks, runs)}{_links(sections)}'
    return document(f"{title} - report by Mooring", header, [section(*each) for each in sections.items()])


def _facts(tasks: Sequence[Task], runs: Sequence[Run]) -> str:
    updates = sorted({run.folder.saved_step() for run in runs})
    facts = {
        "runs": str(len(runs)),
        "methods": ", ".join(dict.fromkeys(run.members[0].algorithm for run in runs)),
        "policies": str(sum(len(run.config["members"]) for run in runs)),
        "tasks": ", ".join(task.name for task in tasks),
        "updates": " to ".join(f"{step:,}" for step in dict.fromkeys((updates[0], updates[-1]))),
    }
    tiles = "".join(f"<div><dt>{name}</dt><dd>{escape(value)}</dd></div>\n" for name, value in facts.items())
    return f'<dl class="facts">\n{tiles}</dl>\n'


def _links(titles: Mapping[str, Any]) -> str:
    links = "".join(f'<a href="#{anchor(title)}">{title}</a>\n' for title in titles)
    return f'<nav aria-label="Sections">\n{links}</nav>\n'


def _commands(tasks: Sequence[Task]) -> str:
    """Of each run: what was typed, on which data, with which packages."""
    parts = []
    for run in (run for task in tasks for run in task.runs):
        data, versions = run.config["data"], run.config.get("versions", {})
        facts = f"data {data['name']}, SHA-256 of its columns {data['fingerprint'][:16]}; "
        facts += ", ".join(f"{name} {version}" for name, version in versions.items())
        parts.append(f'<h3>{escape(run.name)}</h3>\n{made_by([run.command])}<p class="made">{escape(facts)}</p>\n')
    return "".join(parts)
