"""The command `storm`: a file for each command. Heavy libraries load only where they are needed."""

from storm.cli import answer, artifacts, evaluate, score
from storm.cli.app import main

__all__ = ["answer", "artifacts", "evaluate", "main", "score"]
