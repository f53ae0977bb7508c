"""ICU-Sepsis: which fluids and vasopressors to give, learned from what clinicians gave (arXiv 2406.05646).

    pip install icu-sepsis; python examples/domains/sepsis.py

States and actions are integers, and a return is 1 where the patient survives. The log keeps the probability of each
action and, as `action_mask`, which actions clinicians took often enough that their effect is known.
"""

from dataclasses import replace

import mooring
from mooring.algorithms.value_regularization.iql import IQL
from mooring.data import Dataset
from mooring.data.collecting import Task, roll_out
from mooring.environments.domains.icu_sepsis import ENV, Clinicians, action_mask
from mooring.evaluation import Evaluation


def collect(steps: int) -> Dataset:
    """A log of the clinicians."""
    data = roll_out(Clinicians.estimated(), Task.of(ENV), steps, "icu-sepsis", envs=10)
    return replace(data, extra={**data.extra, "action_mask": action_mask(data.obs)})


def main(steps: int = 20_000, updates: int = 2_000, episodes: int = 200) -> tuple[Dataset, Evaluation]:
    data = collect(steps)
    print(f"{data}: audit {mooring.audit(data).verdict}, {data.returns.mean():.1%} survive")
    trained = mooring.train(IQL(discount=1.0), data, updates, progress=True)
    found = mooring.evaluate(trained.policies, ENV, episodes=episodes)
    print(f"IQL: {found.returns.mean():.1%} of {episodes} survive")
    return data, found


if __name__ == "__main__":
    main()
