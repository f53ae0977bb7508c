"""Algorithms that wrap an algorithm: they change what it sees, in its data and in the policy that it ships."""

from mooring.wrappers.encoded import SALE, Encoded
from mooring.wrappers.stacked import Stacked

__all__ = ["SALE", "Encoded", "Stacked"]
