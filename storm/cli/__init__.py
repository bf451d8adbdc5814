"""The command `storm`. Heavy libraries load only in the commands that need them."""

from storm.cli import (
    answer,
    artifacts,
    check,
    check_targets,
    evaluate,
    keyframes,
    score,
    store,
)
from storm.cli.app import main

__all__ = [
    "answer",
    "artifacts",
    "check",
    "check_targets",
    "evaluate",
    "keyframes",
    "main",
    "score",
    "store",
]
