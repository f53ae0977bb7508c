"""Open Bandit Dataset: what Bernoulli Thompson sampling is worth, from the log of random choices, and the other way.

    python benchmarks/ope_open_bandit.py FOLDER       with FOLDER/{random,bts}/{men,women}/{men,women}.csv

Saito et al. 2021, arXiv 2008.07146. Each row is an item in one of three positions, and a click or none. The file says
the probability of the shown item only, so what Thompson sampling would have done in the other log's rows is estimated:
the shares of items in each position of its own log, with one count added to each. It does not see the customer, so
what is lost are its changes from hour to hour. That the shares are of 10,000 rows only is not in the intervals: what
standard error it adds, if the reward model is right, stands below each table. Random choices are one in so many items,
as logged. Clicks are taken not to depend on what the other two positions show.
"""

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int

from mooring.data import Dataset, from_table
from mooring.data.spaces import Discrete
from mooring.ope.behavior import LOGGED
from mooring.ope.contributions import Contributions
from mooring.ope.estimators.bandits import reward_values, subgaussian
from mooring.ope.estimators.doubly_robust import direct_method, doubly_robust, switch_doubly_robust
from mooring.ope.estimators.importance import importance_sampling, weighted_importance_sampling
from mooring.ope.intervals import bca_bootstrap, student_t
from mooring.ope.judgment import Evidence, judge
from mooring.ope.logs import Logs, Values

Estimator = Callable[[Logs, Values], Contributions]
BY_WEIGHTS: dict[str, Estimator] = {
    "IPS": lambda logs, _: importance_sampling(logs),
    "SNIPS": lambda logs, _: weighted_importance_sampling(logs),
    "sub-Gaussian IPS": lambda logs, _: subgaussian(logs),
    "DR": doubly_robust,
    "SWITCH-DR": switch_doubly_robust,
    "sub-Gaussian DR": subgaussian,
}
ESTIMATORS = BY_WEIGHTS | {"DM": direct_method}


def read(folder: Path, policy: str, campaign: str) -> Dataset:
    return from_table(
        folder / policy / campaign / f"{campaign}.csv",
        episode="",  # the column without a name, which numbers the rows
        obs="position,user_feature_*,user-item_affinity_*",
        categorical="position",
        action="item_id",
        reward="click",
        terminated=True,
        behavior_prob="propensity_score",
    )


def position(data: Dataset) -> Int[np.ndarray, " N"]:
    """0, 1 or 2."""
    columns = [entry for entry, name in enumerate(data.labels["obs"]) if name.startswith("position")]
    return np.argmax(np.asarray(data.obs)[:, columns], axis=1)


def shares(data: Dataset) -> Float[np.ndarray, "K A"]:
    """Of the items in each position."""
    assert isinstance(data.action_space, Discrete)
    counts = np.ones((3, data.action_space.n))
    np.add.at(counts, (position(data), data.action), 1)
    return counts / counts.sum(1, keepdims=True)


def clicks(data: Dataset) -> Contributions:
    return Contributions.mean(data.reward.astype(np.float64))


def judged(logged: Dataset, other: Dataset, other_is_random: bool) -> None:
    """A line for each estimator of the other policy's click rate, from the log of one."""
    known = shares(other)
    target = (np.full_like(known, 1 / known.shape[1]) if other_is_random else known)[position(logged)]
    chosen = target[np.arange(len(logged)), logged.action]
    logs = Logs.of(logged, 1.0, logged.extra[LOGGED].astype(np.float64), np.log(chosen))
    values = reward_values(logs, logged, target)
    truth = student_t(clicks(other))
    print("| estimator | click rate | t interval | BCa interval | holds the other log's mean | effective | verdict |")
    print("|---|---:|---:|---:|---|---:|---|")
    for name, estimator in ESTIMATORS.items():
        found = estimator(logs, values)
        judgment = judge(name, Evidence(found), logs, weighted=name in BY_WEIGHTS)
        t, bca = judgment.value, bca_bootstrap(found)
        held = " and ".join(kind for kind, each in (("t", t), ("BCa", bca)) if each.low <= truth.value <= each.high)
        size = "" if judgment.effective_size is None else f"{judgment.effective_size:,.0f}"
        print(
            f"| {name} | {100 * t.value:.2f} % | {100 * t.low:.2f} to {100 * t.high:.2f} "
            f"| {100 * bca.low:.2f} to {100 * bca.high:.2f} | {held or 'neither'} | {size} | {judgment.verdict} |",
            flush=True,
        )
    if not other_is_random:
        print(f"\nStandard error by the shares: {100 * share_error(logged, other, values):.3f} %.")


def share_error(logged: Dataset, other: Dataset, values: Values) -> float:
    """Of the mean over the other log's rows of what the reward model says of their item and position."""
    sums, rows = np.zeros((2, *shares(logged).shape))
    place = position(logged), logged.action
    np.add.at(sums, place, values.q[:, 0])
    np.add.at(rows, place, 1)
    said = (sums / np.maximum(rows, 1))[position(other), other.action]
    return float(said.std() / len(said) ** 0.5)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    for campaign in ("men", "women"):
        data = {policy: read(folder, policy, campaign) for policy in ("random", "bts")}
        for logged, other in (("random", "bts"), ("bts", "random")):
            own = student_t(clicks(data[other]))
            print(f"\n### {campaign}: {other} from the log of {logged}\n")
            print(f"The other log's own mean: {100 * own.value:.2f} % [{100 * own.low:.2f}, {100 * own.high:.2f}].\n")
            judged(data[logged], data[other], other == "random")


if __name__ == "__main__":
    main()
