"""Calls for worker processes: they answer, die, hang, fail or take memory."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from storm.errors import DataError


def act(item: str) -> str:
    match item:
        case "die":
            os.kill(os.getpid(), signal.SIGSEGV)
        case "hang":
            time.sleep(60)
        case "complain":
            raise DataError("as it was asked to")
        case "raise":
            raise RuntimeError("as it was asked to")
        case "grow":
            bytearray(3 << 30)
    return item


def note_pid_and_hang(path: str) -> None:
    Path(path).write_text(str(os.getpid()))
    time.sleep(60)
