"""Observations and actions that are few: all that counts of what followed what can tell."""
