"""How good policies are: episodes in a simulator, scores, and how sure they are.

Names are imported when first used, so that statistics can be had without JAX.
"""

from importlib import import_module
from typing import Any

_HOMES = {
    "evaluate": "mooring.evaluation.scores",
    "Evaluation": "mooring.evaluation.scores",
    "Evaluator": "mooring.evaluation.evaluator",
    "rollout": "mooring.evaluation.rollouts",
    "Returns": "mooring.evaluation.rollouts",
}

__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'mooring.evaluation' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
