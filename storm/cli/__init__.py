"""The command `storm`: a file for each command. Heavy libraries load only where they are needed."""

from storm.cli import artifacts, check, store
from storm.cli.app import main

__all__ = ["artifacts", "check", "main", "store"]
