"""Decoding ahead of a model: worker processes with limits, results in the order asked for.

    with DecodingAhead(sampling, workers=4, ahead=16) as decoding:
        for look, found in decoding.stream(looks): ...   # Decoded, or UnreadableVideo

A worker that dies or hangs costs the video that it was reading; another takes its place. What is
not shown is not decoded: an hour is no more work than a minute.
"""

from __future__ import annotations

import contextlib
import queue
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from multiprocessing import Pipe
from multiprocessing.connection import Connection

import numpy as np

from storm.errors import UnreadableVideo
from storm.process.run_child import child_environment
from storm.videos.decoding.isolated import MAX_SECONDS, limit_process
from storm.videos.decoding.sampling import FrameSampling, Look


@dataclass(frozen=True, eq=False)
class Decoded:
    """Frames of one look at a video."""

    pixels: np.ndarray  # (T, H, W, 3) uint8 RGB
    pts_seconds: tuple[float, ...]
    seconds: float  # that decoding took


class DecodingAhead:
    """Decodes at most `ahead` videos beyond the one that is taken next."""

    def __init__(
        self,
        sampling: FrameSampling,
        workers: int = 2,
        ahead: int = 8,
        max_seconds: float = MAX_SECONDS,
    ):
        self.sampling, self.ahead, self.max_seconds = sampling, ahead, max_seconds
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix="decode")
        self._workers = [_Worker(sampling) for _ in range(workers)]
        self._idle: queue.SimpleQueue[_Worker] = queue.SimpleQueue()
        for worker in self._workers:
            self._idle.put(worker)

    def stream(self, looks: Iterable[Look]) -> Iterator[tuple[Look, Decoded | UnreadableVideo]]:
        """What each look shows, in order. A look that comes twice in a row is decoded once."""
        source, waiting = iter(looks), deque[tuple[Look, Future[Decoded | UnreadableVideo]]]()
        exhausted = False
        while waiting or not exhausted:
            while not exhausted and len(waiting) <= self.ahead:
                look = next(source, None)
                if look is None:
                    exhausted = True
                elif waiting and waiting[-1][0] == look:
                    waiting.append((look, waiting[-1][1]))
                else:
                    waiting.append((look, self._threads.submit(self._decode, look)))
            if waiting:
                look, future = waiting.popleft()
                yield look, future.result()

    def _decode(self, look: Look) -> Decoded | UnreadableVideo:
        worker = self._idle.get()
        try:
            return worker.decode(look, self.max_seconds)
        finally:
            self._idle.put(worker)

    def __enter__(self) -> DecodingAhead:
        return self

    def __exit__(self, *_: object) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)
        for worker in self._workers:
            worker.kill()  # a thread that waits for it ends
        self._threads.shutdown()
        for worker in self._workers:
            worker.stop()


class _Worker:
    """One process, started when it is first needed and after each death."""

    def __init__(self, sampling: FrameSampling):
        self.sampling = sampling
        self._running: tuple[subprocess.Popen[bytes], Connection] | None = None
        self._ready = False

    def decode(self, look: Look, max_seconds: float) -> Decoded | UnreadableVideo:
        process, pipe = self._running = self._running or self._start()
        reason = "timeout"
        try:
            if not self._ready:  # its start doesn't count against the video
                pipe.send(self.sampling)
                self._ready = pipe.recv()
            pipe.send(look)
            if pipe.poll(max_seconds):
                return pipe.recv()
        except (EOFError, OSError):
            code = process.wait(5)
            reason = f"signal_{-code}" if code < 0 else f"exit_{code}"
        self.stop()
        return UnreadableVideo(reason, f"the decoder ended without frames: {look.path}")

    def _start(self) -> tuple[subprocess.Popen[bytes], Connection]:
        ours, theirs = Pipe()
        with theirs:
            call = f"from storm.videos.ahead import serve; serve({theirs.fileno()})"
            process = subprocess.Popen(
                [sys.executable, "-c", call],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                env=child_environment(threads=1),
            )
        self._ready = False
        return process, ours

    def kill(self) -> None:
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


def serve(fd: int) -> None:
    """In the worker: the sampling, then looks in, what they show out; ends with the other side."""
    limit_process()
    with Connection(fd) as pipe, contextlib.suppress(EOFError, OSError, KeyboardInterrupt):
        sampling: FrameSampling = pipe.recv()
        pipe.send(True)
        while True:
            look = pipe.recv()
            began = time.perf_counter()
            try:
                pixels, times = sampling.look(look, whole=True)
            except UnreadableVideo as fault:
                pipe.send(fault)
            else:
                pipe.send(Decoded(pixels, times, time.perf_counter() - began))
