"""Which policies are filmed, and what is said where that fails."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from mooring.errors import BadInput
from mooring.report.gathered import Group, Run, Seed, Task
from mooring.report.html import missing, plots
from mooring.report.scored import last
from mooring.runs import load_policy
from mooring.user_files import is_reference


def films(tasks: Sequence[Task], most: int) -> str:
    """The best group of each task, then the second best, until there are `most`."""
    chosen = [_middle(group, task.measure) for task, group in _best_first(tasks)]
    return plots(_film(run, member) for run, member in chosen[:most]) if chosen[:most] else ""


def _best_first(tasks: Sequence[Task]) -> Iterator[tuple[Task, Group]]:
    ranked = [sorted(task.groups.values(), key=lambda group: -_height(group, task.measure)) for task in tasks]
    for place in range(max(map(len, ranked))):
        yield from ((task, groups[place]) for task, groups in zip(tasks, ranked, strict=True) if place < len(groups))


def _height(group: Group, measure: str) -> float:
    """The last score; what was not evaluated, or diverged, is below everything."""
    value = last(group, measure).value if group.evaluated else np.nan
    return value if np.isfinite(value) else -np.inf


def _middle(group: Group, measure: str) -> Seed:
    """The member whose last score is the median, the lower one of two: neither luck nor misfortune."""
    if not group.evaluated:
        return group.members[0]
    order = np.argsort(group.last(measure))
    return group.members[int(order[(len(order) - 1) // 2])]


def _film(run: Run, index: int) -> str:
    """A film, or why there is none."""
    member, env = run.folder.members()[index], run.config["evaluate"]["env"]
    title = f"{run.name}: {member.label}"
    try:
        from mooring.report.film import film

        if env is None:
            raise BadInput(run.name, "names no environment", fix="train with --env")
        if is_reference(env):
            raise BadInput(env, "is code, which is not run unasked")
        if not run.folder.policy_file(member).exists():
            raise BadInput(run.name, "has no policies yet: its training has not ended", fix="resume it")
        return film(load_policy(run.folder.policy_file(member)), env, title)
    except ImportError as error:
        reason = f"{error}; pip install 'mooring[mujoco]'"
    except Exception as error:  # a simulator's, a driver's, a user's environment's: none of them should cost the page
        reason = str(error) or type(error).__name__
    return missing(f"No film of {title}: {reason}")
