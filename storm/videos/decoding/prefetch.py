"""Decoding in worker processes: ahead of a model, or one file that nobody has checked.

    with PrefetchDecoder(sampling, workers=4, ahead=16) as decoding:
        for segment, frames in decoding.stream(segments): ...  # VideoFrames or UnreadableVideo

A video whose decoder dies, hangs or exhausts memory is unreadable; the others go on. Frames that
are not sampled are not decoded: an hour is no more work than a minute.
"""

from __future__ import annotations

import functools
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from pathlib import Path

from storm.errors import ChildFailed, UnreadableVideo
from storm.process.worker_pool import WorkerPool
from storm.videos.decoding.sampling import FrameSampling, Segment
from storm.videos.frames import VideoFrames

MAX_MEMORY_BYTES = 16 << 30  # address space; decoders map far more than they use
MAX_SECONDS = 900.0


class PrefetchDecoder:
    """A decoder that works at most `ahead` videos beyond the one that is taken next."""

    def __init__(
        self,
        sampling: FrameSampling,
        workers: int = 2,
        ahead: int = 8,
        max_seconds: float = MAX_SECONDS,
    ):
        self.ahead = ahead
        self._pool = WorkerPool[Segment, VideoFrames](
            functools.partial(sampling.sample, verified=True),
            workers=workers,
            timeout_seconds=max_seconds,
            memory_bytes=MAX_MEMORY_BYTES,
        )

    def stream(
        self, segments: Iterable[Segment]
    ) -> Iterator[tuple[Segment, VideoFrames | UnreadableVideo]]:
        """Yield the frames of each segment, in order.

        A segment that comes twice in a row is decoded once.
        """
        source = iter(segments)
        waiting: deque[tuple[Segment, Future[VideoFrames]]] = deque()
        while True:
            while len(waiting) <= self.ahead and (segment := next(source, None)) is not None:
                if waiting and waiting[-1][0] == segment:
                    waiting.append((segment, waiting[-1][1]))
                else:
                    waiting.append((segment, self._pool.submit(segment)))
            if not waiting:
                return
            segment, future = waiting.popleft()
            yield segment, _frames_or_fault(future, segment.path)

    def __enter__(self) -> PrefetchDecoder:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.__exit__()


def sample_isolated(sampling: FrameSampling, path: Path) -> VideoFrames:
    """Sample a file in a child process of its own.

    Raises:
        UnreadableVideo: Also if the decoder dies, hangs or exhausts its memory.
    """
    with WorkerPool[Path, VideoFrames](
        sampling.sample, timeout_seconds=MAX_SECONDS, memory_bytes=MAX_MEMORY_BYTES
    ) as pool:
        frames = _frames_or_fault(pool.submit(path.absolute()), path)
    if isinstance(frames, UnreadableVideo):
        raise frames
    return frames


def _frames_or_fault(future: Future[VideoFrames], path: Path) -> VideoFrames | UnreadableVideo:
    try:
        return future.result()
    except UnreadableVideo as fault:
        return fault
    except ChildFailed as end:
        return UnreadableVideo(end.reason, f"the decoder ended without frames: {path}")
