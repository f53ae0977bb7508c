"""A command uses all cores: members of a population run side by side, and environments are stepped in processes."""

from __future__ import annotations

import os
import sys

FLAG = "--xla_force_host_platform_device_count"
MOST = 8  # devices, since each that has members has a copy of the data
_used = False


def use_cores() -> None:
    """Tells JAX, which must not have been imported yet, of so many devices; a user's own word in XLA_FLAGS stands.

    One program on several cores has to wait for all of them after every small matrix product; members on a core of
    their own do not (docs/speed.md has what that brought). It changes nothing where there is a GPU.
    """
    global _used
    _used, flags = True, os.environ.get("XLA_FLAGS", "")
    cores = min(MOST, available())
    if "jax" not in sys.modules and FLAG not in flags and cores > 1:
        os.environ["XLA_FLAGS"] = f"{flags} {FLAG}={cores}".strip()


def for_environments() -> int:
    """Processes that may step environments: one for each core after `use_cores`, else 1.

    A command names its environments so that any process finds them; a program may have registered its own.
    """
    return available() if _used else 1


def available() -> int:
    """The cores that this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
