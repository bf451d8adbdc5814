"""The child's side of `Child`: `python -m storm.process.child_main`, with a socket as stdin."""

from __future__ import annotations

import contextlib
import errno
import importlib
import json
import os
import pickle
import socket
import sys
from collections.abc import Generator
from typing import Any

from storm.errors import StormError
from storm.process.environment import set_environment
from storm.process.owner import watch_owner

# faults of the machine, not of an item: the stage fails and nothing is quarantined
_MACHINE_FAULTS = {
    *(errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO),
    *(errno.EMFILE, errno.ENFILE),
    *(errno.ESTALE, errno.ENOTCONN),  # a network file system that went away
}


def main() -> int:
    """Serve calls until the owner closes the socket; return the exit code."""
    set_environment()
    os.environ.setdefault("TQDM_DISABLE", "1")  # the parent draws the progress bars
    watch_owner()
    with socket.socket(fileno=os.dup(0)) as owner:
        with open(os.devnull, "rb") as null:
            os.dup2(null.fileno(), 0)
        while True:
            header, fds, _, _ = socket.recv_fds(owner, 1, 16)
            if not header:
                return 0
            with _logged(fds):
                code = _serve(owner)
            if code:
                return code
            _emit(owner, {"done": True})


def _serve(owner: socket.socket) -> int:
    """Run one call; return 0, or the exit code of the error it ended with."""

    def emit(event: dict[str, Any]) -> None:
        _emit(owner, event)

    size = int.from_bytes(_receive(owner, 8), "little")
    module, name, args = pickle.loads(_receive(owner, size))  # from our own parent
    try:
        getattr(importlib.import_module(module), name)(*args, emit)
    except StormError as e:
        emit({"error": f"{type(e).__name__}: {e}"})
        return e.exit_code
    except OSError as e:
        if e.errno in _MACHINE_FAULTS:
            emit({"error": f"{e.strerror}: {e.filename or 'no file named'}"})
        raise
    return 0


def _emit(owner: socket.socket, event: dict[str, Any]) -> None:
    owner.sendall(json.dumps(event).encode() + b"\n")


def _receive(owner: socket.socket, size: int) -> bytes:
    data = owner.recv(size, socket.MSG_WAITALL)
    if len(data) < size:
        raise EOFError("the owner is gone")
    return data


@contextlib.contextmanager
def _logged(fds: list[int]) -> Generator[None, None, None]:
    """Send what is printed to the first descriptor; hold the others until the end."""
    try:
        os.dup2(fds[0], 1)
        os.dup2(fds[0], 2)
        yield
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        for fd in fds:
            os.close(fd)


if __name__ == "__main__":
    sys.exit(main())
