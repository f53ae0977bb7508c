"""Compiled programs are kept on disk, so that a command compiles what it needs once, and starts at once after that."""

from __future__ import annotations

import hashlib
import os
import platform
import sys
from pathlib import Path


def keep_compiled() -> None:
    """Tells JAX, which must not have been imported yet, where to keep what it compiles; a user's own choice stands.

    The folder is under XDG_CACHE_HOME, else ~/.cache, and one for each kind of processor, as homes are shared between
    machines. JAX_ENABLE_COMPILATION_CACHE=false keeps nothing. Any of it may be deleted at any time. Small programs
    are kept too, as reading is quicker than compiling; and none notes the lines it came from, which takes time.
    """
    if "jax" in sys.modules:
        return
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(home / "mooring" / "compiled" / processor()))
    os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
    os.environ.setdefault("JAX_TRACEBACK_IN_LOCATIONS_LIMIT", "0")


def processor() -> str:
    """What tells machines apart that can not run each other's programs: the processor's instruction sets."""
    known = Path("/proc/cpuinfo")
    lines = known.read_text(errors="replace").splitlines() if known.exists() else [platform.processor()]
    sets = next((line for line in lines if line.startswith(("flags", "Features"))), lines[0] if lines else "")
    return f"{platform.machine()}-{hashlib.sha256(sets.encode()).hexdigest()[:12]}"
