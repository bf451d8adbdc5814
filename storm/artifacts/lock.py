"""Exclusive flock-based file lock, released by the kernel when its holder dies."""

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

GRACE_SECONDS = 3.0  # orphans of a killed run need a moment to end


@contextlib.contextmanager
def hold(path: Path, what: str, *, wait: bool = False) -> Iterator[int]:
    """Hold the lock file `path`; yield a descriptor that children can inherit to hold it too.

    Args:
        path: The lock file; it is created if needed and names its holder.
        what: What is locked, for the error.
        wait: Wait for another holder, instead of failing after a few seconds.

    Raises:
        WorkspaceBusy: If another process holds it; says which.
        StoreError: If the file system has no locks or the folder can't be written.
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
    """Return a descriptor that holds the lock, or None if another process does."""
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
