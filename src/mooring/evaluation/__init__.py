"""How good policies are: episodes in a simulator, scores, and how sure they are.

Names are imported when first used, so that statistics can be had without JAX.
"""

from mooring.lazy import exports

_HOMES = {
    "evaluate": "mooring.evaluation.scores",
    "Evaluation": "mooring.evaluation.scores",
    "Evaluator": "mooring.evaluation.evaluator",
    "rollout": "mooring.evaluation.rollouts",
    "Returns": "mooring.evaluation.rollouts",
}

__all__ = sorted(_HOMES)
__getattr__ = exports(__name__, _HOMES)
