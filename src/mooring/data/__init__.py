"""Logged data: what a data set is, where it is read from, what its numbers mean.

Names are imported when first used, so that the catalog can be listed without JAX.
"""

from mooring.lazy import exports

_HOMES = {
    "from_table": "mooring.data.tables.importing",
    "load": "mooring.data.loading",
    "concatenate": "mooring.data.changes",
    "n_step": "mooring.data.changes",
    "returns_to_go": "mooring.data.changes",
    "split": "mooring.data.changes",
    "stack_frames": "mooring.data.changes",
    "subsample": "mooring.data.changes",
    "Dataset": "mooring.data.dataset",
    "Episode": "mooring.data.episodes",
    "Bounds": "mooring.data.spaces",
    "Discrete": "mooring.data.spaces",
    "Image": "mooring.data.spaces",
    "save": "mooring.data.saving",
    "write_rows": "mooring.data.formats.rows",
    "save_npz": "mooring.data.formats.npz",
}

__all__ = sorted(_HOMES)
__getattr__ = exports(__name__, _HOMES)
