"""Run work in a child process with its own group, limits and time-outs."""

from __future__ import annotations

import contextlib
import json
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from storm.errors import ChildFailed, StageFailed

Event = dict[str, Any]


def watch_owner() -> None:
    """End this process and its group within a second of its parent's or its owner's death.

    The owner is the process in STORM_OWNER_PID; from here on this one owns what it starts.
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


def child_environment(threads: int) -> dict[str, str]:
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    return {
        **os.environ,
        "PATH": path,
        "OMP_NUM_THREADS": str(threads),
        "STORM_OWNER_PID": str(os.getpid()),
        "PYTHONUNBUFFERED": "1",
    }


def one_gpu(gpus: int, slot: int) -> dict[str, str]:
    """The environment of a child that has one of the node's GPUs: slots take them in turn.

    Of a CUDA_VISIBLE_DEVICES that is set, its own are taken. No `gpus` leave all as it is.
    """
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    names = [str(n) for n in range(gpus)] if visible is None else visible.split(",")[:gpus]
    return {"CUDA_VISIBLE_DEVICES": names[slot % len(names)]} if names else {}


_CHILDREN: set[subprocess.Popen[bytes]] = set()
_STOPPED = threading.Event()


def kill_children() -> None:
    """Kill every child's process group and start no other; for the end of a stopped run."""
    _STOPPED.set()
    for child in list(_CHILDREN):
        _kill_group(child)


def _kill_group(child: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)


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
) -> None:
    """Run `call(*args, emit)` in a child with its own process group.

    `emit(event)` in the child is `on_event(event)` here. What the child prints goes to `log`.
    An event `{"error": text}` is raised as StageFailed; any other bad end, a silence
    of `stall_seconds`, or more than `memory_gb` held by the child and its own, as ChildFailed.
    """
    if _STOPPED.is_set():
        raise StageFailed("stopped")
    log.parent.mkdir(parents=True, exist_ok=True)
    with open(log, "ab") as sink:
        child = subprocess.Popen(
            [sys.executable, "-m", "storm.process.child_main"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=sink,
            env={**child_environment(threads), **(environment or {})},
            start_new_session=True,
            pass_fds=keep_fds,
        )
    _CHILDREN.add(child)
    assert child.stdin is not None
    assert child.stdout is not None
    killed: list[ChildFailed] = []
    heard = time.monotonic()

    def watchdog() -> None:
        while child.poll() is None:
            if time.monotonic() - heard > stall_seconds:
                killed.append(ChildFailed("timeout", f"silent for {stall_seconds:.0f} s", log))
            elif memory_gb is not None and (held := _held_gb(child.pid)) > memory_gb:
                detail = f"expected at most {memory_gb:g} GB held, found {held:.2f}"
                killed.append(ChildFailed("memory", detail, log))
            if killed:
                _kill_group(child)
                return
            time.sleep(0.2)

    error = None
    try:
        threading.Thread(target=watchdog, daemon=True).start()
        with contextlib.suppress(BrokenPipeError), child.stdin:
            child.stdin.write(pickle.dumps((call.__module__, call.__qualname__, args)))
        for line in child.stdout:
            if not line.endswith(b"\n"):  # killed while it wrote
                break
            heard = time.monotonic()
            event = json.loads(line)
            if "error" in event:
                error = event["error"]
            else:
                on_event(event)
        code = child.wait()
    finally:
        _kill_group(child)  # grandchildren too
        child.wait()
        child.stdout.close()
        _CHILDREN.discard(child)
    if _STOPPED.is_set():
        raise StageFailed("stopped")
    if error is not None:
        raise StageFailed(error, log)
    if killed:
        raise killed[0]
    if code:
        reason = f"signal_{-code}" if code < 0 else f"exit_{code}"
        raise ChildFailed(reason, _last_line(log), log)


def _held_gb(pid: int) -> float:
    """Memory of a process and its descendants, without what is mapped from files and shared."""
    import psutil

    total = 0
    with contextlib.suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        for one in [process, *process.children(recursive=True)]:
            with contextlib.suppress(psutil.NoSuchProcess):
                memory = one.memory_info()
                total += memory.rss - getattr(memory, "shared", 0)
    return total / 1e9


def _last_line(log: Path) -> str:
    with open(log, errors="replace") as f:
        lines = [line.strip() for line in deque(f, maxlen=20) if line.strip()]
    return lines[-1][:300] if lines else "no output"
