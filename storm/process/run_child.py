"""Run a function in a child process with its own process group, limits and time-outs."""

from __future__ import annotations

import contextlib
import json
import pickle
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any

from storm.errors import ChildFailed, StageFailed
from storm.process.children import ChildGroup, kill_group
from storm.process.environment import child_environment

Event = dict[str, Any]


def run_child(
    call: Callable[..., None],
    args: tuple[Any, ...],
    *,
    on_event: Callable[[Event], None],
    log: Path,
    threads: int = 1,
    stall_seconds: float = 900,
    memory_gb: float | None = None,
    keep_fds: tuple[int, ...] = (),
    environment: Mapping[str, str] | None = None,
    group: ChildGroup | None = None,
) -> None:
    """Run `call(*args, emit)` in a child; `emit(event)` there is `on_event(event)` here.

    Args:
        call: A function of a module, so that the child can import it.
        args: Its arguments, which are pickled.
        on_event: Receives the child's events, JSON objects, as they come.
        log: File that what the child prints is appended to.
        threads: CPU threads of the child.
        stall_seconds: Kill a child that emits nothing for longer.
        memory_gb: Kill a child that holds more, together with its own children.
        keep_fds: File descriptors that the child inherits: a lock lives as long as both.
        environment: Variables to set on top.
        group: Run that the child belongs to.

    Raises:
        StageFailed: If the child reported an error, or the group was stopped.
        ChildFailed: If the child ended badly in any other way.
    """
    group = group or ChildGroup()
    group.require_running()
    child = _start(log, {**child_environment(threads), **(environment or {})}, keep_fds)
    group.add(child)
    watchdog = _Watchdog(child, log, stall_seconds, memory_gb)
    error = None
    try:
        watchdog.start()
        with contextlib.suppress(BrokenPipeError), _pipe(child.stdin) as stdin:
            stdin.write(pickle.dumps((call.__module__, call.__qualname__, args)))
        for line in _pipe(child.stdout):
            if not line.endswith(b"\n"):  # killed while it wrote
                break
            watchdog.last_event_at = time.monotonic()
            event = json.loads(line)
            if "error" in event:
                error = event["error"]
            else:
                on_event(event)
        code = child.wait()
    finally:
        kill_group(child)  # grandchildren too
        child.wait()
        _pipe(child.stdout).close()
        group.discard(child)
    group.require_running()
    if error is not None:
        raise StageFailed(error, log)
    if watchdog.verdict is not None:
        raise watchdog.verdict
    if code:
        reason = f"signal_{-code}" if code < 0 else f"exit_{code}"
        raise ChildFailed(reason, _last_line(log), log)


def _start(
    log: Path, environment: Mapping[str, str], keep_fds: tuple[int, ...]
) -> subprocess.Popen[bytes]:
    log.parent.mkdir(parents=True, exist_ok=True)
    with open(log, "ab") as sink:
        return subprocess.Popen(
            [sys.executable, "-m", "storm.process.child_main"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=sink,
            env=environment,
            start_new_session=True,
            pass_fds=keep_fds,
        )


def _pipe(stream: IO[bytes] | None) -> IO[bytes]:
    assert stream is not None  # started with pipes
    return stream


class _Watchdog(threading.Thread):
    """Kills a child that is silent for too long or holds too much memory."""

    def __init__(
        self,
        child: subprocess.Popen[bytes],
        log: Path,
        stall_seconds: float,
        memory_gb: float | None,
    ):
        super().__init__(daemon=True, name="watchdog")
        self.child, self.log = child, log
        self.stall_seconds, self.memory_gb = stall_seconds, memory_gb
        self.last_event_at = time.monotonic()
        self.verdict: ChildFailed | None = None

    def run(self) -> None:
        while self.child.poll() is None:
            self.verdict = self._judge()
            if self.verdict is not None:
                kill_group(self.child)
                return
            time.sleep(0.2)

    def _judge(self) -> ChildFailed | None:
        if time.monotonic() - self.last_event_at > self.stall_seconds:
            return ChildFailed("timeout", f"silent for {self.stall_seconds:.0f} s", self.log)
        if self.memory_gb is not None and (rss_gb := _rss_gb(self.child.pid)) > self.memory_gb:
            detail = f"expected at most {self.memory_gb:g} GB held, found {rss_gb:.2f}"
            return ChildFailed("memory", detail, self.log)
        return None


def _rss_gb(pid: int) -> float:
    """Return the memory of a process and its descendants, without mapped and shared pages."""
    import psutil

    total = 0
    with contextlib.suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        for member in [process, *process.children(recursive=True)]:
            with contextlib.suppress(psutil.NoSuchProcess):
                memory = member.memory_info()
                total += memory.rss - getattr(memory, "shared", 0)
    return total / 1e9


def _last_line(log: Path) -> str:
    with open(log, errors="replace") as f:
        lines = [line.strip() for line in deque(f, maxlen=20) if line.strip()]
    return lines[-1][:300] if lines else "no output"
