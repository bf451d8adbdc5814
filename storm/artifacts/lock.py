"""One holder at a time: a file lock that the kernel lets go of when its holder is gone."""

from __future__ import annotations

import contextlib
import fcntl
import math
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

from storm.errors import StoreError, WorkspaceBusy

GRACE_SECONDS = 3.0  # a killed run's orphans need a moment to let go of their locks


@contextlib.contextmanager
def hold(path: Path, what: str, *, wait: bool = False) -> Iterator[int]:
    """Hold the lock `path` on `what`; the kernel lets go when holder and children are gone.

    Raises WorkspaceBusy, which says who holds it, unless it may `wait`; StoreError where the file
    system gives no lock.
    """
    deadline = time.monotonic() + (math.inf if wait else GRACE_SECONDS)
    while (fd := _try(path)) is None:
        if time.monotonic() > deadline:
            with contextlib.suppress(FileNotFoundError):
                raise WorkspaceBusy(
                    f"{what} is being made by {path.read_text()}; wait for it, or pass --wait"
                )
        time.sleep(0.1)
    try:
        os.ftruncate(fd, 0)
        since = time.strftime("%Y-%m-%d %H:%M:%S")
        os.pwrite(fd, f"pid {os.getpid()} on {socket.gethostname()} since {since}".encode(), 0)
        yield fd
    finally:
        os.close(fd)


def _try(path: Path) -> int | None:
    """A descriptor that holds the lock, or None if another one does."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        except FileNotFoundError:  # its folder was removed meanwhile
            return None
    except OSError as error:
        raise _unusable("a folder that can be written", path, error) from None
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.fstat(fd).st_ino == path.stat().st_ino:  # else it was removed meanwhile
            return fd
    except (BlockingIOError, FileNotFoundError):
        pass
    except OSError as error:
        os.close(fd)
        raise _unusable("a file system with file locks (flock)", path, error) from None
    os.close(fd)
    return None


def _unusable(expected: str, path: Path, error: OSError) -> StoreError:
    return StoreError(
        f"expected {expected} around {path}, found {error.strerror}; take another artifact root"
    )
