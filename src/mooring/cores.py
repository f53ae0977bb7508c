"""On processors, members of a population run side by side: JAX is told to see one device for each core."""

from __future__ import annotations

import os
import sys

FLAG = "--xla_force_host_platform_device_count"
MOST = 8  # devices, since each that has members has a copy of the data


def use_cores() -> None:
    """Tells JAX, which must not have been imported yet, of so many devices; a user's own word in XLA_FLAGS stands.

    One program on several cores has to wait for all of them after every small matrix product; members on a core of
    their own do not (docs/speed.md has what that brought). It changes nothing where there is a GPU.
    """
    flags = os.environ.get("XLA_FLAGS", "")
    cores = min(MOST, available())
    if "jax" not in sys.modules and FLAG not in flags and cores > 1:
        os.environ["XLA_FLAGS"] = f"{flags} {FLAG}={cores}".strip()


def available() -> int:
    """The cores that this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
