"""gym-anytrading's markets: prices that it carries, to buy and to sell at, with windows of them as flat vectors.

An observation is the last 30 days (stocks: Google) or 24 hours (forex: euro in dollars), price and change each. It does
not tell whether one holds anything. A reward is what the price gained since the last trade, counted when it is sold
again. The series is the same in every episode, so a policy's return on it says nothing of other times.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from mooring.errors import missing_extra

if TYPE_CHECKING:
    import gymnasium


def stocks() -> gymnasium.Env[Any, Any]:
    """Raises BadInput where the package is not installed."""
    return _flat("stocks-v0")


def forex() -> gymnasium.Env[Any, Any]:
    """Raises BadInput where the package is not installed."""
    return _flat("forex-v0")


def _flat(env_id: str) -> gymnasium.Env[Any, Any]:
    import gymnasium

    try:
        import_module("gym_anytrading")
    except ImportError as error:
        raise missing_extra("gym-anytrading", "trading", f"environment {env_id!r}") from error
    return gymnasium.wrappers.FlattenObservation(gymnasium.make(env_id, disable_env_checker=True))
