"""Mooring: policies from logged data, judged honestly, then fine-tuned online when their owner dares.

The public verbs are imported when first used, so that `import mooring` costs nothing.
"""

from mooring.lazy import exports

__version__ = "0.1.0"

_VERBS = {
    "load": "mooring.data",
    "audit": "mooring.data.audit",
    "train": "mooring.training",
    "sweep": "mooring.sweeping.running",
    "finetune": "mooring.finetuning",
    "evaluate": "mooring.evaluation",
    "estimate": "mooring.ope.estimating",
    "select": "mooring.ope.selecting",
    "load_policy": "mooring.runs",
}

__all__ = ["__version__", *_VERBS]
__getattr__ = exports(__name__, _VERBS)
