"""Groups of child processes that can be stopped together."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import weakref

from storm.errors import StageFailed

_ALL: weakref.WeakSet[ChildGroup] = weakref.WeakSet()


class ChildGroup:
    """The child processes of one run.

    A stopped group starts no further child. The next run of the same process has a new group.
    """

    def __init__(self):
        self.stopped = False
        self._running: set[subprocess.Popen[bytes]] = set()
        _ALL.add(self)

    def add(self, child: subprocess.Popen[bytes]) -> None:
        """Add a child that has just been started."""
        self._running.add(child)
        if self.stopped:  # meanwhile, by another thread or a signal
            kill_group(child)

    def discard(self, child: subprocess.Popen[bytes]) -> None:
        """Forget a child that has ended."""
        self._running.discard(child)

    def require_running(self) -> None:
        """Raise StageFailed if the group was stopped."""
        if self.stopped:
            raise StageFailed("stopped")

    def stop(self) -> None:
        """Kill every child's process group and start no further child."""
        self.stopped = True
        for child in list(self._running):
            kill_group(child)


def stop_all_children() -> None:
    """Stop every group there is, at the end of a process or when a signal ends its run."""
    for group in list(_ALL):
        group.stop()


def kill_group(child: subprocess.Popen[bytes]) -> None:
    """Kill a child together with everything it has started."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)
