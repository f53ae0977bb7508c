"""Readers and writers, one file per format. A reader takes a path and what `Dataset.build` takes beside columns."""
