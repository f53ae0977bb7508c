"""Trading: buy or sell Google's stock, day by day, by prices that the package gym-anytrading carries.

    pip install gym-anytrading; python examples/domains/trading.py

Five random traders make the log. A policy is trained and evaluated on the same prices, so its return says nothing of
what it would earn at other times; nor does it see whether it holds the stock.
"""

import mooring
from mooring.algorithms.value_regularization.cql import DiscreteCQL
from mooring.data import Dataset
from mooring.data.collecting import Task, roll_out, uniform_policy
from mooring.evaluation import Evaluation

ENV = "mooring/Stocks-v0"


def main(steps: int = 11_500, updates: int = 2_000) -> tuple[Dataset, Evaluation]:
    task = Task.of(ENV)
    data = roll_out(uniform_policy(task), task, steps, "stocks-random", envs=5)
    print(f"{data}: audit {mooring.audit(data).verdict}, mean return {data.returns.mean():.1f}")
    trained = mooring.train(DiscreteCQL(), data.with_reward("standardize"), updates, progress=True)
    found = mooring.evaluate(trained.policies, ENV, episodes=1)
    print(f"CQL: return {found.returns.item():.1f}")
    return data, found


if __name__ == "__main__":
    main()
