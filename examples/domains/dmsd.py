"""NeoRL-2's DMSD: masses and springs with delayed force, from the log alone (Gao et al. 2025, arXiv 2503.19267).

    python examples/domains/dmsd.py DMSD-high-100000-train.npz DMSD-high-20000-val.npz

Where there is no simulator, the episodes that training did not see tell at least how far a policy departs from the log.
"""

import sys
from typing import Any

import jax
import numpy as np

import mooring
from mooring.algorithms.imitation.bc import DeterministicBC
from mooring.algorithms.policy_constraint.td3_bc import TD3BC
from mooring.data import Dataset
from mooring.types import Policy


def departure(policy: Policy, data: Dataset) -> float:
    """The mean absolute difference between the policy's greedy actions and the log's, in the action's units."""
    act = jax.jit(jax.vmap(lambda obs: policy.act(policy.begin(), obs, None)[0]))
    return float(np.abs(act(data.obs) - data.action).mean())


def main(training: str, validation: str, updates: int = 2_000, learners: Any = (DeterministicBC, TD3BC)) -> dict:
    data, held_out = mooring.load(training), mooring.load(validation)
    print(f"{data}: audit {mooring.audit(data).verdict}, mean return {data.returns.mean():.1f}")
    departures = {}
    for learner in learners:
        trained = mooring.train(learner(), data, updates, progress=True)
        departures[learner.name] = departure(trained.policy(), held_out)
        print(f"{learner.name}: {departures[learner.name]:.3f} from the log's actions in {held_out}")
    return departures


if __name__ == "__main__":
    main(*sys.argv[1:])
