"""A shop's recommendations as a contextual bandit: the Open Bandit Dataset (Saito et al. 2021, arXiv 2008.07146).

    python examples/domains/open_bandit.py men.csv

Each row is an episode of one step: a customer is shown an item in one of three positions, and clicks or does not. The
true probability of each choice becomes `action_log_prob`: off-policy estimates need it, and training does not.
"""

import sys

import mooring
from mooring.algorithms.value_regularization.iql import IQL
from mooring.data import Dataset, from_table
from mooring.training import Trained


def load(log: str) -> Dataset:
    """One campaign's log. What describes the items themselves (item_context.csv) is of actions, so it stays out."""
    return from_table(
        log,
        episode="",  # the column without a name, which numbers the rows
        obs="position,user_feature_*,user-item_affinity_*",
        categorical="position",
        action="item_id",
        reward="click",
        terminated=True,
        behavior_prob="propensity_score",
    )


def main(log: str, updates: int = 2_000) -> Trained:
    data = load(log)
    print(f"{data}: audit {mooring.audit(data).verdict}, click rate {data.returns.mean():.2%}")
    return mooring.train(IQL(), data, updates, progress=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
