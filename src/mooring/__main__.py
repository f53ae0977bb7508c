"""`python -m mooring`."""

from mooring.cli import command

command()
