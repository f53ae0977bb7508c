"""Whether critics' values ran away while runs trained: the lights, why, what to do, and the numbers behind them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from mooring.diagnostics.light import MOST_IMPLIED, SELF_EXCITED, Light, Verdict, verdicts
from mooring.report.chart import Line, lines
from mooring.report.gathered import Group, Task
from mooring.report.html import missing, plots
from mooring.report.measured import over_seeds

WATCH = "watch"
CLASSES = {Light.GREEN: "pass", Light.YELLOW: "warning", Light.RED: "failure"}
CHARTS = {
    "implied": "The reward of each step that values imply, in units of the largest reward; more can not be earned.",
    "seem": "SEEM: above zero, learning a value raises the target that it follows.",
    "q": "|Q|, the largest critic's, on logged rows.",
    "gap": "Q of the policy's actions less Q of the logged ones: how much better it believes to be.",
    "dead": "The share of the critics' hidden units that are the same for every row.",
}
LEVELS = {"implied": {"alarm": MOST_IMPLIED}, "seem": {"alarm": SELF_EXCITED}}


def watched(task: Task, colors: Mapping[str, int]) -> str:
    """A light for every method that was watched, as of its last look; how to get one where none was."""
    lights = {name: _worst(group) for name, group in task.groups.items()}
    known = {name: verdict for name, verdict in lights.items() if verdict}
    if not known:
        return _unwatched(task, list(lights))
    cards = "".join(_card(task, name, verdict) for name, verdict in known.items())
    charts = (
        lines(name, words, _series(task, name), colors, levels=LEVELS.get(name)) for name, words in CHARTS.items()
    )
    details = f"<details><summary>The numbers behind it: {escape(task.name)}</summary>\n{plots(charts)}</details>\n"
    unseen = [name for name, verdict in lights.items() if not verdict]
    return f'<div class="cards">\n{cards}</div>\n{_unwatched(task, unseen) if unseen else ""}{details}'


def _unwatched(task: Task, names: Sequence[str]) -> str:
    text = (
        f"{task.name}: no critics of {', '.join(names)} were watched. `mooring train ... --watch-every 1000` does so."
    )
    return missing(text)


def _worst(group: Group) -> Verdict | None:
    """Of the group's seeds, at the last look."""
    lights = {run: verdicts(run.rows, len(run.members)) for run in group.runs}
    found = [lights[run][index] for run, index in group.members if lights[run]]
    return max(found, key=lambda verdict: verdict.light) if found else None


def _card(task: Task, name: str, verdict: Verdict) -> str:
    reason = verdict.reason or "no seed's values were running away at the last look"
    advice = f'<p class="fix">{escape(verdict.advice)}</p>' if verdict.advice else ""
    return f"""<article class="{CLASSES[verdict.light]}">
<p class="label"><span>{verdict.light.name.capitalize()}</span> {escape(name)} on {escape(task.name)}</p>
<p>{escape(reason[:1].upper() + reason[1:])}.</p>
{advice}</article>
"""


def _series(task: Task, name: str) -> Mapping[str, Line]:
    found = {method: over_seeds(*group.curve(name, WATCH)) for method, group in task.groups.items()}
    return {method: line for method, line in found.items() if len(line.x)}
