"""The command `storm`: a file for each command. Heavy libraries load only where they are needed."""

from storm.cli import answer, artifacts, check, keyframes, score, store
from storm.cli.app import main

__all__ = ["answer", "artifacts", "check", "keyframes", "main", "score", "store"]
