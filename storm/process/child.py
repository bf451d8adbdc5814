"""A child process that answers one call after another, within limits."""

from __future__ import annotations

import contextlib
import json
import os
import pickle
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from storm.errors import ChildFailed, StageFailed

if TYPE_CHECKING:
    import psutil

Event = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Call:
    """A function call for a child process.

    Attributes:
        function: A function of a module, so that the child can import it. Called as
            `function(*args, emit)`; `emit(event)` there is `on_event(event)` here.
        args: Its arguments, which are pickled.
        on_event: Receives the child's events, JSON objects, as they come.
        log: File that everything printed meanwhile is appended to.
        stall_seconds: Kill a child that emits nothing for longer.
        memory_gb: Kill a child that holds more, together with its own children.
        keep_fds: File descriptors that the child holds during the call: a lock lives as long as
            both.
    """

    function: Callable[..., None]
    args: tuple[Any, ...]
    on_event: Callable[[Event], None]
    log: Path
    stall_seconds: float = 900
    memory_gb: float | None = None
    keep_fds: tuple[int, ...] = ()


class Child:
    """A process with its own process group. What it imports and loads stays for the next call."""

    def __init__(self, environment: Mapping[str, str], log: Path):
        """Start the process; `log` receives what it prints until its first call."""
        self._socket, theirs = socket.socketpair()
        log.parent.mkdir(parents=True, exist_ok=True)
        with theirs, open(log, "ab") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "storm.process.child_main"],
                stdin=theirs.fileno(),
                stdout=output,
                stderr=output,
                env=environment,
                start_new_session=True,
            )
        self._events = self._socket.makefile("rb")

    @property
    def alive(self) -> bool:
        """Whether it can take a call."""
        return self._process.poll() is None

    def run(self, call: Call) -> None:
        """Run a call to its end.

        Raises:
            StageFailed: If the function raised a StormError, or met a fault of the machine.
            ChildFailed: If the child ended in any other way.
        """
        error, done = None, False
        with _Watchdog(self._process, call) as watchdog:
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                self._send(call)
            for line in self._lines():
                watchdog.last_event_at = time.monotonic()
                event = json.loads(line)
                if "error" in event:
                    error = event["error"]
                elif "done" in event:
                    done = True
                    break
                else:
                    call.on_event(event)
            if not done:
                self._process.wait()  # it is ending, or the watchdog ends it
        if done and self.alive and not _descendants(self._process.pid):
            return
        code = self.kill()
        if error is not None:
            raise StageFailed(error, call.log)
        if watchdog.verdict is not None:
            raise watchdog.verdict
        if not done:
            reason = f"signal_{-code}" if code < 0 else f"exit_{code}"
            raise ChildFailed(reason, _last_line(call.log), call.log)

    def kill(self) -> int:
        """Kill the child and everything it started; return its exit code."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        return self._process.wait()

    def close(self) -> None:
        """Kill the child and free what belongs to it here."""
        self.kill()
        self._events.close()
        self._socket.close()

    def _send(self, call: Call) -> None:
        """Send the log and the descriptors first, then the call."""
        call.log.parent.mkdir(parents=True, exist_ok=True)
        with open(call.log, "ab") as log:
            socket.send_fds(self._socket, [b"\0"], [log.fileno(), *call.keep_fds])
        function = call.function
        data = pickle.dumps((function.__module__, function.__qualname__, call.args))
        self._socket.sendall(len(data).to_bytes(8, "little") + data)

    def _lines(self) -> Iterator[bytes]:
        """Yield whole lines until the child ends; one it was killed in is left out."""
        with contextlib.suppress(ConnectionResetError):
            for line in self._events:
                if line.endswith(b"\n"):
                    yield line


class _Watchdog(threading.Thread):
    """Kills a child that is silent for too long, or that holds too much memory."""

    def __init__(self, process: subprocess.Popen[bytes], call: Call):
        super().__init__(daemon=True, name="watchdog")
        self._process, self._call = process, call
        self._ended = threading.Event()
        self.last_event_at = time.monotonic()
        self.verdict: ChildFailed | None = None

    def __enter__(self) -> _Watchdog:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self.join()

    def run(self) -> None:
        while not self._ended.wait(0.2):
            self.verdict = self._judge()
            if self.verdict is not None or self._process.poll() is not None:
                # with what it started: one of those may keep the connection open
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(self._process.pid, signal.SIGKILL)
                return

    def _judge(self) -> ChildFailed | None:
        stall, limit = self._call.stall_seconds, self._call.memory_gb
        if time.monotonic() - self.last_event_at > stall:
            return ChildFailed("timeout", f"silent for {stall:.0f} s", self._call.log)
        if limit is not None and (held := _held_gb(self._process.pid)) > limit:
            detail = f"expected at most {limit:g} GB held, found {held:.2f}"
            return ChildFailed("memory", detail, self._call.log)
        return None


def _held_gb(pid: int) -> float:
    """Return the memory of a process and its descendants, without mapped and shared pages."""
    import psutil

    total = 0
    for member in _descendants(pid, itself=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            memory = member.memory_info()
            total += memory.rss - getattr(memory, "shared", 0)
    return total / 1e9


def _descendants(pid: int, *, itself: bool = False) -> list[psutil.Process]:
    import psutil

    with contextlib.suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        return [*([process] if itself else []), *process.children(recursive=True)]
    return []


def _last_line(log: Path) -> str:
    with open(log, errors="replace") as f:
        lines = [line.strip() for line in deque(f, maxlen=20) if line.strip()]
    return lines[-1][:300] if lines else "no output"
