"""What stands against a comparison of results: said in words, since numbers would be given all the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from mooring.evaluation.results import Look, curves

ByMethod = Mapping[str, Sequence[Look]]


def doubts(looks: Sequence[Look]) -> list[str]:
    """One sentence for each trouble: single seeds, unlike numbers of updates, looks or episodes, and the like."""
    tasks: dict[str, dict[str, list[Look]]] = {}
    for look in looks:
        tasks.setdefault(look.task, {}).setdefault(look.method, []).append(look)
    methods = list(dict.fromkeys(look.method for look in looks))
    found = [
        f"{method} was not run on {task}" for task, there in tasks.items() for method in methods if method not in there
    ]
    for method in methods:
        counts = {len({look.seed for look in there[method]}) for there in tasks.values() if method in there}
        if len(counts) > 1:
            found.append(f"{method} has {min(counts)} to {max(counts)} seeds by task: its IQM is not taken over tasks")
    for task, there in tasks.items():
        found += [doubt for method, own in there.items() for doubt in _of_cell(f"{method} on {task}", own)]
        found += _of_task(task, there)
    return found


def _of_cell(where: str, looks: Sequence[Look]) -> list[str]:
    """What is to be said of one method on one task."""
    seeds = {look.seed: max(each.step for each in looks if each.seed == look.seed) for look in looks}
    found = []
    if len(seeds) == 1:
        found.append(f"{where} has one seed: nothing tells how another would do")
    if len(set(seeds.values())) > 1:
        least, most = min(seeds.values()), max(seeds.values())
        found.append(f"{where} has seeds that end between {least:,} and {most:,} updates: only common steps count")
    ends = [look for look in looks if look.step == seeds[look.seed]]
    if len({look.mean_return for look in ends}) == 1 < len(ends):
        found.append(f"{where}: all {len(ends)} seeds got the same, so that its intervals have no width")
    lost = sum(not np.isfinite(look.mean_return) for look in ends)
    if lost:
        found.append(f"{where}: {lost} of {len(ends)} seeds diverged: they count as the worst, and have no mean")
    return found


def _of_task(task: str, methods: ByMethod) -> list[str]:
    """What makes methods on one task unlike."""
    shared = curves([look for looks in methods.values() for look in looks], "mean_return")
    steps = {method: shared[method][task][0] for method in methods}
    kinds = {
        "updates at the last evaluation": {method: int(each[-1]) for method, each in steps.items()},
        "evaluations to choose the best from": {method: len(each) for method, each in steps.items()},
        "episodes in an evaluation": {method: looks[-1].episodes for method, looks in methods.items()},
        "seeds": {method: len({look.seed for look in looks}) for method, looks in methods.items()},
    }
    return [f"{task}, {kind}: {_counted(counts)}" for kind, counts in kinds.items() if len(set(counts.values())) > 1]


def _counted(counts: Mapping[str, int]) -> str:
    """As in "20,000 (bc, iql), 50,000 (cql)"."""
    return ", ".join(
        f"{count:,} ({', '.join(method for method in counts if counts[method] == count)})"
        for count in sorted(set(counts.values()))
    )
