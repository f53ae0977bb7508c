"""JAX's random bits on CPUs, compiled as straight-line code. The same bits as JAX's own, from shorter programs.

JAX compiles the 20 rounds of Threefry-2x32 (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3") on CPUs
as a loop of five turns, which becomes about 16 little programs for each draw, with the numbers in memory between
them. Written out, all rounds are one program. docs/speed.md has what that brought.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jax import lax
from jax.extend.core.primitives import threefry2x32_p
from jax.interpreters import mlir
from jaxtyping import Array, UInt32

Bits = UInt32[Array, "..."]

ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))
PARITY = np.uint32(0x1BD11BDA)  # of the key schedule


def threefry(key0: Bits, key1: Bits, count0: Bits, count1: Bits) -> tuple[Bits, Bits]:
    """Two words of random bits for each pair of counts: five times four rounds, a word of the key before each."""
    keys = (key0, key1, key0 ^ key1 ^ PARITY)
    x, y = count0 + key0, count1 + key1
    for turn in range(5):
        x, y = _mixed(x, y, ROTATIONS[turn % 2])
        x, y = x + keys[(turn + 1) % 3], y + keys[(turn + 2) % 3] + np.uint32(turn + 1)
    return x, y


def _mixed(x: Bits, y: Bits, rotations: Sequence[int]) -> tuple[Bits, Bits]:
    """Four rounds. In words of `lax`, which trace several times as fast as operators, and every draw traces them."""
    for bits in rotations:
        x = lax.add(x, y)
        high, low = lax.shift_left(y, np.uint32(bits)), lax.shift_right_logical(y, np.uint32(32 - bits))
        y = lax.bitwise_xor(x, lax.bitwise_or(high, low))
    return x, y


def write_out() -> None:
    """From now on this process compiles random bits so, on CPUs."""
    mlir.register_lowering(threefry2x32_p, mlir.lower_fun(threefry, multiple_results=True), platform="cpu")
