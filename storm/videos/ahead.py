"""Decoding ahead of a model: worker processes with limits, results in the order asked for.

    with DecodingAhead(sampling, workers=4, ahead=16) as decoding:
        for look, found in decoding.stream(looks): ...   # Decoded, or UnreadableVideo

A worker that dies or hangs costs the video that it was reading; another takes its place.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import queue
import time
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np

from storm.errors import UnreadableVideo
from storm.videos.isolated import MAX_SECONDS, limit_process
from storm.videos.sampling import FrameSampling, Look


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
        self._process: Any = None
        self._pipe: Any = None

    def decode(self, look: Look, max_seconds: float) -> Decoded | UnreadableVideo:
        if self._process is None:
            self._start()
        reason = "timeout"
        try:
            self._pipe.send(look)
            if self._pipe.poll(max_seconds):
                return self._pipe.recv()
        except (EOFError, OSError):
            self._process.join(5)
            code = self._process.exitcode or 0
            reason = f"signal_{-code}" if code < 0 else f"exit_{code}"
        self.stop()
        return UnreadableVideo(reason, f"the decoder ended without frames: {look.path}")

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(self.sampling, theirs), daemon=True)
        self._process.start()
        theirs.close()

    def kill(self) -> None:
        process = self._process
        if process is not None:
            with contextlib.suppress(ValueError):  # closed by its thread just now
                process.kill()

    def stop(self) -> None:
        if self._process is None:
            return
        self._process.kill()
        self._process.join()
        self._process.close()
        self._pipe.close()
        self._process = self._pipe = None


def _serve(sampling: FrameSampling, pipe: Any) -> None:
    """In the worker: a look in, what it shows out, until the other side is gone."""
    limit_process()
    with contextlib.suppress(EOFError, BrokenPipeError, KeyboardInterrupt):
        while True:
            look = pipe.recv()
            began = time.perf_counter()
            try:
                pixels, times = sampling.look(look)
            except UnreadableVideo as fault:
                pipe.send(fault)
            else:
                pipe.send(Decoded(pixels, times, time.perf_counter() - began))
