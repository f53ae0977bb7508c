"""Mooring: policies from logged data, judged honestly, then fine-tuned online when their owner dares.

The public verbs are imported when first used, so that `import mooring` costs nothing.
"""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_VERBS = {
    "load": "mooring.data",
    "train": "mooring.training",
    "evaluate": "mooring.evaluation",
    "load_policy": "mooring.runs",
}

__all__ = ["__version__", *_VERBS]


def __getattr__(name: str) -> Any:
    if name not in _VERBS:
        raise AttributeError(f"module 'mooring' has no attribute {name!r}")
    return getattr(import_module(_VERBS[name]), name)
