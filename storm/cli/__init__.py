"""The command `storm`: a file for each command. Heavy libraries load only where they are needed."""

from storm.cli import artifacts, keyframes
from storm.cli.app import main

__all__ = ["artifacts", "keyframes", "main"]
