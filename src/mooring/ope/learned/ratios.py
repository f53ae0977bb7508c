"""Estimates by density ratios: each logged reward counts as often as the target policy would come by."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from mooring.data.dataset import Dataset
from mooring.errors import BadInput
from mooring.ope.contributions import Contributions, ratio
from mooring.ope.learned.dice import Dice, GenDICE
from mooring.ope.learned.fqe import size_of_values
from mooring.ope.learned.sr_dice import SRDICE
from mooring.ope.logs import Logs, Table
from mooring.ope.targets import check_fits, check_memoryless
from mooring.training import train
from mooring.types import Policy

UNBALANCED = 0.1  # how far from 1 the ratios' mean may be


@dataclass(frozen=True, eq=False)
class Ratios:
    """d_pi / d_D of each row, averaged over members; and what tells how far to trust it.

    d_pi is the discounted occupancy of a process that starts anew where the MDP ends (see `dice`). `mean` is each
    member's mean ratio, which is 1 where the flow is balanced. `curve` is each member's
    main metric as it learned. `warnings` are sentences for the user; none where nothing is suspicious.
    """

    ratio: Table
    mean: Float[np.ndarray, " M"]
    curve: Float[np.ndarray, "K M"]
    warnings: tuple[str, ...]


def by_ratio(logs: Logs, weight: Table) -> Contributions:
    """sum w r / sum w (1 - discount), both over all rows: the value of a first observation.

    Where no episode ends it is sum w r / sum w / (1 - gamma). Else, with X the expected discount at an episode's end, a
    process that starts anew is worth V / (1 - X), and leaves (1 - gamma) / (1 - X) of its flow in the mean of w (1 -
    discount): the quotient is V again. Intervals take the ratios as given.
    """
    gained = (weight * logs.reward).sum(1)
    left = np.where(logs.present, weight * (1 - logs.discount), 0).sum(1)
    return Contributions(np.stack([gained, left], axis=1), ratio)


def density_ratios(
    data: Dataset,
    policy: Policy,
    discount: float = 0.99,
    *,
    method: Dice | SRDICE | None = None,
    steps: int = 20_000,
    members: int = 1,
    seed: int = 0,
) -> Ratios:
    """The ratios of all rows of the data, by `members` learners of the method that make `steps` updates each.

    Of `method` (by default GenDICE), all settings but the policy and the discount are used. Raises BadInput where the
    policy carries a memory, where there are fewer than two episodes, and where the discount is 1.
    """
    check_memoryless(policy)
    check_fits(policy, data)
    logs = Logs.of(data, discount)
    if discount == 1:
        raise BadInput("discount", "1", "below 1, for the target policy's discounted occupancy")
    seen = data.with_reward(scale=1 / size_of_values(logs)[0])
    algorithm = replace(method or GenDICE(), target=policy, discount=discount)
    run = train(algorithm, seen, steps, seeds=range(seed, seed + members), chunk=max(1, steps // 20))
    each = algorithm.row_ratios(run, seen)
    mean = each.mean(1)
    curve = np.array([row[algorithm.watched] for row in run.rows if row["stage"] == "main"])
    return Ratios(logs.of_rows(each.mean(0)), mean, curve, tuple(suspicions(each, mean)))


def suspicions(each: Float[np.ndarray, "M N"], mean: Float[np.ndarray, " M"]) -> Iterator[str]:
    if not np.isfinite(each).all():
        yield "the ratios are not finite: learning diverged; take smaller learning rates"
        return
    if np.abs(mean - 1).max() > UNBALANCED:
        yield (
            f"the ratios' mean is {mean.min():.2f} to {mean.max():.2f}, and 1 where the flow is balanced: "
            "make more updates, or the policy leaves the data"
        )
    lost = -np.minimum(each, 0).sum(1) / np.abs(each).sum(1)
    if lost.max() > UNBALANCED:
        yield f"{lost.max():.0%} of the ratios' weight is negative, which no true ratio is: make more updates"
