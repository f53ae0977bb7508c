"""Whether logs hold actions like those of the target policy, where actions are continuous."""

from __future__ import annotations

import jax
import numpy as np

from mooring.algorithms.imitation.bc_mixture import MixtureCloning
from mooring.data.columns import take
from mooring.data.dataset import Dataset
from mooring.ope.targets import actions, log_probs_of
from mooring.training import train
from mooring.types import Policy

ROWS = 10_000  # that are looked at; ours
UPDATES = 2_000  # of the cloned policy; ours
RARE = 0.01  # the share of logged actions that count as rare; ours


def unfamiliar(policy: Policy, data: Dataset, seed: int = 0) -> float:
    """The share of observations where the policy does what was hardly ever done.

    That is, an action that is less likely there, under a mixture density cloned from the logs, than all but a
    hundredth of the logged actions are. A hundredth for the behavior policy itself; 1 for one that shares nothing.
    """
    cloned = train(MixtureCloning(), data, UPDATES, seeds=[seed]).policy()
    rows = np.random.default_rng(seed).permutation(len(data))[:ROWS]
    obs = take(data.obs, rows)
    done = actions(policy, obs, jax.random.key(seed))
    known, own = (np.asarray(log_probs_of(cloned, obs, each)) for each in (data.action[rows], done))
    return float((own < np.quantile(known, RARE)).mean())
