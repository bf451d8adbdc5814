"""Ending a process when the one that owns it is gone."""

from __future__ import annotations

import os
import signal
import threading
import time


def watch_owner() -> None:
    """End this process and its group within a second of the death of its parent or owner.

    The owner is the process in STORM_OWNER_PID; from here on this process owns what it starts.
    """
    owner, parent = int(os.environ.get("STORM_OWNER_PID", "0")), os.getppid()
    if not owner:
        return
    os.environ["STORM_OWNER_PID"] = str(os.getpid())

    def watch() -> None:
        while os.getppid() == parent and _is_alive(owner):
            time.sleep(0.3)
        if os.getpgid(0) == os.getpid():
            os.killpg(0, signal.SIGKILL)
        os._exit(75)

    threading.Thread(target=watch, daemon=True, name="owner-watch").start()


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True
