"""What a child process does in the tests of `run_child`."""

from __future__ import annotations

import time
from collections.abc import Callable


def hold(megabytes: int, seconds: float, emit: Callable[[dict], None]) -> None:
    """Hold that much memory, every page touched, for that long."""
    held = bytearray(b"x") * (megabytes * 2**20)
    time.sleep(seconds)
    emit({"held": len(held)})
