"""What people look at.

`from mooring.report import report`; the function is imported when first used, since it needs JAX to read policies.
"""

from mooring.lazy import exports

_HOMES = {"report": "mooring.report.writing"}

__all__ = sorted(_HOMES)
__getattr__ = exports(__name__, _HOMES)
