"""What a child process does in the tests of `Children`."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable

from storm.errors import DataError
from storm.process.warm import load_warm, release_warm

Emit = Callable[[dict], None]


def hold(megabytes: int, seconds: float, emit: Emit) -> None:
    """Hold that much memory, every page touched, for that long."""
    held = bytearray(b"x") * (megabytes * 2**20)
    time.sleep(seconds)
    emit({"held": len(held)})


def report(emit: Emit) -> None:
    """Say who runs, and where it prints."""
    print("printed by", os.getpid(), flush=True)
    emit({"pid": os.getpid(), "group": os.getpgid(0), "gpu": os.environ.get("GPU")})


def refuse(emit: Emit) -> None:
    raise DataError("expected something else")


def leave_a_process(emit: Emit) -> None:
    left = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    emit({"pid": os.getpid(), "left": left.pid})


def end(code: int, emit: Emit) -> None:
    print("the last words", flush=True)
    os._exit(code)


def wait_for_file(path: str, emit: Emit) -> None:
    emit({"pid": os.getpid()})
    while not os.path.exists(path):
        time.sleep(0.01)


def load(name: str, emit: Emit) -> None:
    """Load by name; say how often this process has loaded."""
    emit({"loads": load_warm(_load, name), "all": len(_LOADS)})


def load_after_release(name: str, emit: Emit) -> None:
    release_warm()
    load(name, emit)


_LOADS: list[str] = []


def _load(name: str) -> str:
    _LOADS.append(name)
    return name
