"""ICU-Sepsis (Choudhary et al. 2024, arXiv 2406.05646): 716 states, 25 actions, estimated from MIMIC-III.

Actions are five levels of fluids times five of vasopressors; the return is 1 where the patient survives. Each
environment of the package icu-sepsis reads its own tables of 100 MB; here all of them share those that are read first.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Int

from mooring.errors import missing_extra
from mooring.policies import TablePolicy

if TYPE_CHECKING:
    import gymnasium

ENV = "mooring/ICU-Sepsis-v2"


def make() -> gymnasium.Env[Any, Any]:
    """Version 2 of the package's environment. Raises BadInput where it is not installed."""
    return _package("icu_sepsis").icu_sepsis_flat(params=_tables())


class Clinicians(TablePolicy):
    """What clinicians did, by the package's estimate: in each state the probability of each action."""

    @classmethod
    def estimated(cls) -> Clinicians:
        """Within the actions of `action_mask`, which have 84 % of what was done; the model does not know the others.

        In states where none is known (those that a stay ends in), all actions are alike.

        Raises BadInput where the package is not installed.
        """
        model: Any = make().unwrapped
        done = model.expert_policy
        known = done * action_mask(np.arange(len(done)))
        known[~known.any(axis=1)] = 1.0
        return cls(jnp.asarray(known / known.sum(axis=1, keepdims=True), jnp.float32))


def action_mask(states: Int[np.ndarray, " N"]) -> Bool[np.ndarray, "N A"]:
    """Which actions clinicians took often enough in these states that their effect could be estimated.

    In the environment any other has the mean effect of these. Raises BadInput where the package is not installed.
    """
    model: Any = make().unwrapped
    known = np.zeros((model.num_states, model.num_actions), bool)
    for state, actions in enumerate(model.dynamics["admissible_actions"]):
        known[state, actions] = True
    return known[states]


@cache
def _tables() -> Any:
    assets = Path(_package("icu_sepsis").__file__).parent / "envs" / "assets"
    return _package("icu_sepsis.utils.io").MDPParameters(assets)


def _package(module: str) -> Any:
    try:
        return import_module(module)
    except ImportError as error:
        raise missing_extra("icu-sepsis", "icu", f"environment {ENV!r}") from error
