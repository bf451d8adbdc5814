"""Decoding ahead of a model: worker processes with limits, results in the order asked for.

    with PrefetchDecoder(sampling, workers=4, ahead=16) as decoding:
        for segment, frames in decoding.stream(segments): ...   # VideoFrames, or UnreadableVideo

A worker that dies or hangs costs the video that it was reading; another takes its place. What is
not shown is not decoded: an hour is no more work than a minute.
"""

from __future__ import annotations

import contextlib
import queue
import subprocess
import sys
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from multiprocessing import Pipe
from multiprocessing.connection import Connection

from storm.errors import UnreadableVideo
from storm.process.environment import child_environment
from storm.videos.decoding.isolated import MAX_SECONDS, limit_process
from storm.videos.decoding.sampling import FrameSampling, Segment
from storm.videos.frames import VideoFrames


class PrefetchDecoder:
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

    def stream(
        self, segments: Iterable[Segment]
    ) -> Iterator[tuple[Segment, VideoFrames | UnreadableVideo]]:
        """Frames of each segment, in order. One that comes twice in a row is decoded once."""
        source, waiting = (
            iter(segments),
            deque[tuple[Segment, Future[VideoFrames | UnreadableVideo]]](),
        )
        exhausted = False
        while waiting or not exhausted:
            while not exhausted and len(waiting) <= self.ahead:
                segment = next(source, None)
                if segment is None:
                    exhausted = True
                elif waiting and waiting[-1][0] == segment:
                    waiting.append((segment, waiting[-1][1]))
                else:
                    waiting.append((segment, self._threads.submit(self._decode, segment)))
            if waiting:
                segment, future = waiting.popleft()
                yield segment, future.result()

    def _decode(self, segment: Segment) -> VideoFrames | UnreadableVideo:
        worker = self._idle.get()
        try:
            return worker.decode(segment, self.max_seconds)
        finally:
            self._idle.put(worker)

    def __enter__(self) -> PrefetchDecoder:
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

    def decode(self, segment: Segment, max_seconds: float) -> VideoFrames | UnreadableVideo:
        process, pipe = self._running = self._running or self._start()
        reason = "timeout"
        try:
            if not self._ready:  # its start doesn't count against the video
                pipe.send(self.sampling)
                self._ready = pipe.recv()
            pipe.send(segment)
            if pipe.poll(max_seconds):
                return pipe.recv()
        except (EOFError, OSError):
            code = process.wait(5)
            reason = f"signal_{-code}" if code < 0 else f"exit_{code}"
        self.stop()
        return UnreadableVideo(reason, f"the decoder ended without frames: {segment.path}")

    def _start(self) -> tuple[subprocess.Popen[bytes], Connection]:
        ours, theirs = Pipe()
        with theirs:
            call = f"from storm.videos.decoding.prefetch import serve; serve({theirs.fileno()})"
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
    """In the worker: the sampling, then segments in, frames out; ends with the other side."""
    limit_process()
    with Connection(fd) as pipe, contextlib.suppress(EOFError, OSError, KeyboardInterrupt):
        sampling: FrameSampling = pipe.recv()
        pipe.send(True)
        while True:
            segment = pipe.recv()
            try:
                pipe.send(sampling.sample(segment, verified=True))
            except UnreadableVideo as fault:
                pipe.send(fault)
