"""Estimates from logs and, where they need them, values: sums that are written out, with nothing to train."""
