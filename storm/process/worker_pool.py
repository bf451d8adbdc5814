"""Worker processes for calls that may hang, crash or exhaust memory.

    with WorkerPool(decode, workers=2, timeout_seconds=900, memory_bytes=16 << 30) as pool:
        frames = pool.submit(path).result()

A call that hangs, dies or exceeds its memory costs only its own result: the next call gets a new
process. Processes start when they are first needed, and end with the pool or its owner.
"""

from __future__ import annotations

import contextlib
import queue
import resource
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import Any, Generic, TypeVar

from storm.errors import ChildFailed, StormError
from storm.process.environment import child_environment
from storm.process.owner import watch_owner

T = TypeVar("T")
R = TypeVar("R")


class WorkerPool(Generic[T, R]):
    """A fixed number of processes that all serve one picklable function."""

    def __init__(
        self,
        call: Callable[[T], R],
        *,
        workers: int = 1,
        timeout_seconds: float,
        memory_bytes: int | None = None,
    ):
        """Prepare the pool; no process starts yet.

        Args:
            call: A function of a module, or a partial or bound method of picklable values.
            workers: Calls that run at once.
            timeout_seconds: For one call; the start of a process doesn't count.
            memory_bytes: Address space of each process; None for no limit.
        """
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix="worker-pool")
        self._workers = [_Worker[T, R](call, timeout_seconds, memory_bytes) for _ in range(workers)]
        self._idle: queue.SimpleQueue[_Worker[T, R]] = queue.SimpleQueue()
        for worker in self._workers:
            self._idle.put(worker)

    def submit(self, item: T) -> Future[R]:
        """Call the function with `item` in a process.

        The future raises what the call raised if that is a `StormError`, else `ChildFailed` with
        the reason `timeout`, `signal_N` or `exit_N`.
        """
        return self._threads.submit(self._run, item)

    def _run(self, item: T) -> R:
        worker = self._idle.get()
        try:
            return worker.run(item)
        finally:
            self._idle.put(worker)

    def __enter__(self) -> WorkerPool[T, R]:
        return self

    def __exit__(self, *_: object) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)
        for worker in self._workers:
            worker.kill()  # ends the wait of the thread that uses it
        self._threads.shutdown()
        for worker in self._workers:
            worker.stop()


class _Worker(Generic[T, R]):
    """One process, started when it is first needed and after each end."""

    def __init__(self, call: Callable[[T], R], timeout_seconds: float, memory_bytes: int | None):
        self._setup = (call, memory_bytes)
        self._timeout_seconds = timeout_seconds
        self._running: tuple[subprocess.Popen[bytes], Connection] | None = None
        self._is_ready = False
        self._is_killed = False

    def run(self, item: T) -> R:
        process, pipe = self._running = self._running or self._start()
        if self._is_killed:  # while it started
            process.kill()
        reason = "timeout"
        try:
            if not self._is_ready:  # its start doesn't count against the item
                pipe.send(self._setup)
                self._is_ready = pipe.recv()
            pipe.send(item)
            if pipe.poll(self._timeout_seconds):
                return _value_of(pipe.recv())
        except (EOFError, OSError):
            code = process.wait(5)
            reason = f"signal_{-code}" if code < 0 else f"exit_{code}"
        self.stop()
        raise ChildFailed(reason, "the worker process ended without a result")

    def _start(self) -> tuple[subprocess.Popen[bytes], Connection]:
        ours, theirs = Pipe()
        with theirs:
            call = f"from storm.process.worker_pool import serve; serve({theirs.fileno()})"
            process = subprocess.Popen(
                [sys.executable, "-c", call],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                env=child_environment(threads=1),
            )
        self._is_ready = False
        return process, ours

    def kill(self) -> None:
        """End the process for good; called from another thread than `run`."""
        self._is_killed = True
        if self._running is not None:
            self._running[0].kill()

    def stop(self) -> None:
        if self._running is None:
            return
        process, pipe = self._running
        self._running = None
        process.kill()
        process.wait()
        pipe.close()


def _value_of(result: Any) -> Any:
    if isinstance(result, StormError):
        raise result
    return result


def serve(fd: int) -> None:
    """Answer items from a pipe until its other side closes: the main of a worker process."""
    watch_owner()
    ends = contextlib.suppress(EOFError, ConnectionError, KeyboardInterrupt)
    with Connection(fd) as pipe, ends:
        call, memory_bytes = pipe.recv()
        if memory_bytes is not None:
            resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a crash leaves no core file
        pipe.send(True)
        while True:
            item = pipe.recv()
            try:
                result = call(item)
            except StormError as error:
                result = error
            pipe.send(result)
