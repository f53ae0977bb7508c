"""Sweeps: algorithms on data sets with seeds and settings, packed into populations, run on local processes or on Ray.

`mooring.sweep`; the function is imported when first used.
"""

from mooring.lazy import exports

_HOMES = {"sweep": "mooring.sweeping.running"}

__all__ = sorted(_HOMES)
__getattr__ = exports(__name__, _HOMES)
