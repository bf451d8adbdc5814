"""The child processes of a run, kept warm between calls."""

from __future__ import annotations

import contextlib
import threading
import weakref
from collections.abc import Generator, Mapping
from pathlib import Path

from storm.errors import StageFailed
from storm.process.child import Call, Child
from storm.process.environment import child_environment

_ALL: weakref.WeakSet[Children] = weakref.WeakSet()


class Children:
    """One child process per slot.

    A child starts at the first call of its slot and serves the next ones. It is replaced after a
    call that failed, that left processes behind, or that needs another environment.

        with Children(threads=1) as children:
            children.run(call, slot=0)
    """

    def __init__(self, threads: int = 1):
        """Prepare the slots; no process starts yet.

        Args:
            threads: CPU threads of each child.
        """
        self.threads = threads
        self.stopped = False
        self._idle: dict[int, tuple[dict[str, str], Child]] = {}
        self._busy: set[Child] = set()
        self._lock = threading.RLock()  # a signal's handler may stop what it interrupts
        _ALL.add(self)

    def run(
        self, call: Call, *, slot: int = 0, environment: Mapping[str, str] | None = None
    ) -> None:
        """Run a call in the child of a slot; a slot runs one call at a time.

        Args:
            call: What to run.
            slot: The slot's number.
            environment: Variables to set on top of this process's.

        Raises:
            StageFailed: If the call failed, or the run was stopped.
            ChildFailed: If the child ended badly in any other way.
        """
        variables = {**child_environment(self.threads), **(environment or {})}
        try:
            with self._child(slot, variables, call.log) as child:
                child.run(call)
        finally:
            self._require_running()

    @contextlib.contextmanager
    def _child(
        self, slot: int, variables: dict[str, str], log: Path
    ) -> Generator[Child, None, None]:
        self._require_running()
        child = self._take(slot, variables, log)
        try:
            if self.stopped:  # meanwhile, by another thread or a signal
                child.kill()
            yield child
        finally:
            with self._lock:
                self._busy.discard(child)
                kept = child.alive and not self.stopped
                if kept:
                    self._idle[slot] = variables, child
            if not kept:
                child.close()

    def _take(self, slot: int, variables: dict[str, str], log: Path) -> Child:
        with self._lock:
            known, child = self._idle.pop(slot, (None, None))
        if child is not None and (known != variables or not child.alive):
            child.close()
            child = None
        child = child or Child(variables, log)
        with self._lock:
            self._busy.add(child)
        return child

    def end_idle(self) -> None:
        """End the children that wait for a call, to free what they hold."""
        with self._lock:
            idle, self._idle = self._idle, {}
        for _, child in idle.values():
            child.close()

    def stop(self) -> None:
        """Kill every child; from now on calls fail."""
        self.stopped = True
        for child in list(self._busy):
            child.kill()
        self.end_idle()

    def __enter__(self) -> Children:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _require_running(self) -> None:
        if self.stopped:
            raise StageFailed("stopped")


def stop_all_children() -> None:
    """Stop the children of every run, at the end of a process or when a signal ends it."""
    for children in list(_ALL):
        children.stop()
