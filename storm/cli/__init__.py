"""The command `storm`: a file for each command. Heavy libraries load only where they are needed."""

from storm.cli import answer, artifacts, check, evaluate, keyframes, score, store
from storm.cli.app import main

__all__ = ["answer", "artifacts", "check", "evaluate", "keyframes", "main", "score", "store"]
