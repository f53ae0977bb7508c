"""Do the intervals of fitted Q evaluation hold the truth? On random processes whose values are known.

    python benchmarks/ope_fqe.py [--updates 20000] [--logs 40]

Each log is 250 episodes of 100 steps of the uniform policy (20 states, 4 actions, discount 0.95; ten processes in
turn), its target half uniform and half another random policy. Critics are 64-64; five members, as in `estimate`.
"""

import argparse
import sys

import jax.numpy as jnp
import numpy as np

from mooring.ope.learned.fqe import FQE, fitted_q
from mooring.ope.tabular.random_mdps import TabularMDP
from mooring.policies import TablePolicy

PROCESSES, EPISODES, DISCOUNT = 10, 250, 0.95


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--updates", type=int, default=20_000)
    parser.add_argument("--logs", type=int, default=40)
    options = parser.parse_args()
    held, errors = 0, []
    for log in range(options.logs):
        process = log % PROCESSES
        mdp = TabularMDP.random(np.random.default_rng(process), horizon=100, discount=DISCOUNT)
        behavior = np.full((20, 4), 0.25)
        target = (behavior + np.random.default_rng(50 + process).dirichlet(np.ones(4), 20)) / 2
        data = mdp.simulate(behavior, EPISODES, np.random.default_rng(1000 + log))
        policy = TablePolicy(jnp.asarray(target, jnp.float32))
        learner = FQE(hidden=(64, 64))
        found = fitted_q(data, policy, DISCOUNT, steps=options.updates, seed=10 * log, algorithm=learner).interval()
        truth = mdp.value(target)
        held += found.low <= truth <= found.high
        errors.append(found.value - truth)
        size = float(np.sqrt(np.mean(np.square(errors))))
        sys.stdout.write(f"log {log}: {truth:.3f}, found {found}; {held} of {log + 1} held, error {size:.3f}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
