"""Algorithms that suit the data, each with its reason; only such as the registry holds for its kind of actions."""

from __future__ import annotations

from collections.abc import Iterator

from mooring import registry
from mooring.data.audit.coverage import NARROW, WIDE
from mooring.data.audit.report import Report, Suggestion
from mooring.data.audit.rewards import SPARSE
from mooring.data.dataset import Dataset
from mooring.data.spaces import Discrete

SMALL = 20_000  # ours: rows below which critics overfit within the usual numbers of updates
MOST = 4  # ours: more suggestions than that are none


def suggest(data: Dataset, report: Report) -> tuple[Suggestion, ...]:
    """At most four, the most fitting first; cloning is always the last, as what the others have to beat."""
    kind = "discrete" if isinstance(data.action_space, Discrete) else "continuous"
    known = {entry.name for entry in registry.entries() if kind in entry.actions}
    wanted: dict[str, str] = {}
    for name, reason in _wanted(data, report, kind):
        if name in known:
            wanted.setdefault(name, reason)
    cloning = ("bc", "the baseline: what does not beat it has learned nothing from the rewards")
    return tuple(Suggestion(*each) for each in [*list(wanted.items())[: MOST - 1], cloning])


def _wanted(data: Dataset, report: Report, kind: str) -> Iterator[tuple[str, str]]:
    diversity = report.evidence("action diversity").get("diversity", (NARROW + WIDE) / 2)
    sparse = report.evidence("sparse reward").get("share", 1.0) < SPARSE
    groups = report.evidence("groups of returns").get("groups", 1)
    joined = report.evidence("stitching")
    gain = joined.get("joined", 0.0) - joined.get("best", 0.0)
    if data.lengths.max() == 1:
        return
    if sparse:
        yield "iql", "rewards are sparse: it carries them back over many steps without asking about unseen actions"
    if joined.get("joins") and gain > 0:
        yield "iql", "joined pieces of episodes would return more than the best of them: it learns from pieces"
    if groups > 1:
        yield "iql", "returns fall into groups: it learns from the better ones without being told which"
    if kind == "discrete":
        yield "cql", "discrete actions: it distrusts those that the data does not hold"
    elif diversity > WIDE and len(data) > SMALL:
        yield "sac-n", "actions are wide at each state, which few critics suffice for"
        yield "td3-bc", "fast and plain; wide actions leave it room beyond cloning"
    elif diversity < NARROW:
        yield "td3-bc", "actions are narrow at each state: a strong pull toward them keeps values honest"
        yield "spot", "actions are narrow: it stays within their support rather than near their mean"
    else:
        yield "td3-bc", "the fast first try where actions vary moderately"
    if groups > 1:
        yield "dt", "returns fall into groups: asked for a high return, it acts as the better ones did"
    yield "iql", "a sound first choice on mixed data"
