"""Marginalized importance sampling: ratios of where the target is, estimated step by step, in place of products.

Xie, Ma & Wang, "Towards optimal off-policy evaluation for reinforcement learning with marginalized importance
sampling" (2019), arXiv 1906.03393. Products of ratios vary more with every step; the marginals of states do not,
but they hold in Markov processes only. Both forms weigh by the logged probabilities, and do not need the target's
probabilities of other actions.

With weights inside, a state's mean weighted reward and mean weighted discount to each next state are a model of a
process without choices. Its value, backwards, is the sum over steps of estimated marginals times rewards, forwards.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from mooring.ope.contributions import Contributions
from mooring.ope.tabular.model import Model, TabularLogs


def marginalized(tabular: TabularLogs) -> Contributions:
    """Their estimator: marginals and rewards of each timestep by the rows of that timestep.

    A state that no row has at its timestep adds nothing. Without a horizon, nothing counts after the longest episode.
    """
    states = len(tabular.target)
    step = states * np.arange(tabular.logs.horizon)
    unrolled = replace(tabular, state=tabular.state + step, next_state=tabular.next_state + step + states, horizon=None)
    return _without_choices(unrolled, (tabular.logs.horizon + 1) * states)


def marginalized_stationary(tabular: TabularLogs) -> Contributions:
    """The same, where a state's rows tell the same at every timestep: less noise in a process that does not change."""
    return _without_choices(tabular, len(tabular.target))


def _without_choices(tabular: TabularLogs, states: int) -> Contributions:
    logs = tabular.logs
    weighted = replace(logs, reward=logs.ratio * logs.reward, discount=logs.ratio * logs.discount)
    chain = replace(tabular, logs=weighted, action=np.zeros_like(tabular.action), target=np.ones((states, 1)))
    values = Model.of(chain, unseen_reward=0.0).values()
    return Contributions.mean(values.start, values.influence)
