"""Green, yellow or red: whether a critic's values are about to run away, why, and what to do.

The rule rests on what a value function can do at all. While critics follow r + gamma Q_target, the reward that their
values imply (see `diagnostics.look`) is at most the largest one there is; values that imply more raise their own
targets. SEEM tells whether learning them does that. Both together, at two looks in a row, make the light red. Targets
that follow at once leave no lead to see, and there SEEM alone has to tell, where it is very large and |Q| rises.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import IntEnum
from itertools import islice
from math import isfinite
from typing import Any, NamedTuple

MOST_IMPLIED = 1.5  # implied rewards, in units of the largest; by the tuning seeds of benchmarks/divergence.py
SELF_EXCITED = 0.1  # SEEM; likewise
VIOLENT = 8.0  # SEEM that is enough without more where |Q| rises: an eighth of the rows looked at; ours
LOOKS = 2  # in a row
MOST_DEAD = 0.5  # share of hidden units; ours

CONSTRAIN = (
    "keep the policy nearer to the data (td3-bc, rebrac, iql, cql), or put layer norm into the critics, which bounds "
    "how they generalize (rebrac; cql --layer-norm); a lower target rate or learning rate only puts it off"
)


class Light(IntEnum):
    GREEN = 0
    YELLOW = 1
    RED = 2


class Verdict(NamedTuple):
    """The light, the reason and what to do, in words; both are empty where it is green."""

    light: Light
    reason: str = ""
    advice: str = ""


def judge(looks: Sequence[Mapping[str, float]]) -> Verdict:
    """By one member's looks so far, oldest first, each with the numbers of a row of kind "watch"."""
    now, recent = looks[-1], looks[-LOOKS:]
    if not isfinite(now["q"]) or now["q"] > now["bound"]:
        reason = f"|Q| is {now['q']:,.0f}, and no return can be above {now['bound']:,.0f}"
        return Verdict(Light.RED, reason, f"the values are of no use: {CONSTRAIN}")
    rushing, excited, violent = (
        len(recent) == LOOKS and all(look[name] > most for look in recent)
        for name, most in (("implied", MOST_IMPLIED), ("seem", SELF_EXCITED), ("seem", VIOLENT))
    )
    if rushing and excited:
        return Verdict(Light.RED, f"{_rush(now)}, and {_excited(now)}", CONSTRAIN)
    if violent and now["q"] > recent[0]["q"]:
        return Verdict(Light.RED, f"|Q| rises, and {_excited(now)}", CONSTRAIN)
    if rushing:
        return Verdict(Light.YELLOW, _rush(now), CONSTRAIN)
    if excited:
        return Verdict(Light.YELLOW, _excited(now), "see whether values settle; if the light turns red, " + CONSTRAIN)
    if now["dead"] > MOST_DEAD:
        reason = f"{now['dead']:.0%} of the critics' hidden units are the same for every row"
        return Verdict(Light.YELLOW, reason, "lower the learning rate, or use layer norm")
    return Verdict(Light.GREEN)


def last_looks(rows: Sequence[Mapping[str, Any]], member: int, most: int = LOOKS) -> list[dict[str, float]]:
    """One member's last looks among a run's rows, oldest first."""
    watched = islice((row for row in reversed(rows) if row["kind"] == "watch"), most)
    found = [{name: value[member] for name, value in row.items() if isinstance(value, list)} for row in watched]
    return found[::-1]


def verdicts(rows: Sequence[Mapping[str, Any]], members: int) -> list[Verdict]:
    """Every member's, as of the last look; none where nothing was watched."""
    looks = [last_looks(rows, member) for member in range(members)]
    return [judge(each) for each in looks if each]


def tally(found: Sequence[Verdict]) -> str:
    """As in "2 red, 1 yellow"; empty where all are green."""
    lights = [verdict.light for verdict in found]
    counts = {light: lights.count(light) for light in (Light.RED, Light.YELLOW)}
    return ", ".join(f"{many} {light.name.lower()}" for light, many in counts.items() if many)


def _rush(look: Mapping[str, float]) -> str:
    return f"values rise as if each step brought {look['implied']:.1f} times the largest reward"


def _excited(look: Mapping[str, float]) -> str:
    return f"learning values raises the targets that they follow (SEEM {look['seem']:.2f})"
