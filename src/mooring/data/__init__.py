"""Logged data: what a data set is, where it is read from, what its numbers mean.

Names are imported when first used, so that the catalog can be listed without JAX.
"""

from importlib import import_module
from typing import Any

_HOMES = {
    "load": "mooring.data.loading",
    "Dataset": "mooring.data.dataset",
    "Episode": "mooring.data.episodes",
    "Bounds": "mooring.data.spaces",
    "Discrete": "mooring.data.spaces",
    "Image": "mooring.data.spaces",
    "save_npz": "mooring.data.formats.npz",
}

__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'mooring.data' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
