"""Under `storm.videos.decode`: a file opened strictly, its packets, its frames, its pixels.

Whatever the codec would conceal is an error here. (decord, which jumps to frames by itself, gives
damaged ones without a word, and is no faster than seeking: 10 of 12 files with flipped bits came
back complete.)
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from storm.errors import UnreadableVideo


@dataclass(frozen=True)
class Limits:
    """What a video may ask of the machine before it is refused, and the least it must offer."""

    max_duration_seconds: float = 3600.0
    max_frames: int = 500_000
    max_pixels: int = 8192 * 4320  # of one frame
    max_streams: int = 32
    max_decoded_bytes: int = 4 << 30  # of all frames that one call returns
    min_frames: int = 2


@dataclass(frozen=True)
class Target:
    """The upright size that frames are scaled to, and the turn that makes them upright."""

    height_px: int
    width_px: int
    quarter_turns: int  # counterclockwise, as np.rot90 counts

    @property
    def stored(self) -> tuple[int, int]:
        """(height, width) before the turn."""
        if self.quarter_turns % 2:
            return self.width_px, self.height_px
        return self.height_px, self.width_px


@contextmanager
def opened(path: Path, container: str, limits: Limits, **options: str) -> Iterator[Any]:
    """The first video stream (PyAV), its codec set to take concealed damage for an error.

    `options` are FFmpeg's for reading the container.
    """
    import av
    from av.error import FFmpegError

    av.logging.set_level(None)
    try:
        with av.open(str(path), format=container, options=options) as file:
            if len(file.streams) > limits.max_streams:
                raise UnreadableVideo(
                    "too_many_streams",
                    f"expected at most {limits.max_streams} streams, found {len(file.streams)}",
                )
            videos = [s for s in file.streams.video if not _is_cover(s)]
            if not videos:
                raise UnreadableVideo("no_video_stream", f"found no video stream in {path}")
            stream = videos[0]
            stream.codec_context.options = {"err_detect": "explode"}
            stream.codec_context.thread_count = 1
            yield stream
    except FFmpegError as error:
        raise UnreadableVideo("damaged", f"{error.strerror}: {path}") from None


def _is_cover(stream: Any) -> bool:
    return bool(stream.disposition & stream.disposition.attached_pic)


def packets_of(stream: Any, limits: Limits) -> Iterator[Any]:
    """The stream's packets; those marked `is_discard` are there to be decoded, not shown."""
    count = 0
    for packet in stream.container.demux(stream):
        if packet.size and packet.is_corrupt:
            raise UnreadableVideo("damaged", f"packet {count} is marked as corrupt")
        if packet.size:
            count += 1
            if count > limits.max_frames:
                raise UnreadableVideo("too_long", f"expected at most {limits.max_frames:,} frames")
            yield packet


def packets_in(path: Path, container: str, limits: Limits) -> int:
    """How many packets the stream holds, with all that an edit list leaves out (a trimmed mp4)."""
    with opened(path, container, limits, ignore_editlist="1") as stream:
        return sum(1 for _ in packets_of(stream, limits))


def frames_of(stream: Any) -> Iterator[Any]:
    """Every decoded frame; raises `UnreadableVideo("damaged")` where a frame has errors."""
    for index, frame in enumerate(stream.container.decode(stream)):
        if frame.is_corrupt:
            raise UnreadableVideo("damaged", f"frame {index} is corrupt")
        yield frame


class Painter:
    """Turns decoded frames into upright RGB of one size."""

    def __init__(self, target: Target):
        import av
        from av.video.reformatter import VideoReformatter

        self._target = target
        # before 16, which lmms-eval wants, PyAV scaled with one thread and had no such argument
        self._alone: dict[str, Any] = (
            {"threads": 1} if int(av.__version__.split(".")[0]) >= 16 else {}
        )
        self._reformatter = VideoReformatter()  # one for all: its tables cost more than a frame

    def __call__(self, frame: Any) -> np.ndarray:
        """(H, W, 3) uint8."""
        height, width = self._target.stored
        scaled = (frame.height, frame.width) != (height, width)
        rgb = self._reformatter.reformat(
            frame,
            width=width,
            height=height,
            format="rgb24",
            interpolation="BICUBIC" if scaled else None,
            **self._alone,
        )
        plane = rgb.planes[0]
        rows = np.frombuffer(memoryview(plane), np.uint8).reshape(height, plane.line_size)
        return np.rot90(rows[:, : width * 3].reshape(height, width, 3), self._target.quarter_turns)


def _empty(count: int, target: Target) -> np.ndarray:
    return np.empty((count, target.height_px, target.width_px, 3), np.uint8)


def read_in_order(frames: Iterable[Any], wanted: Sequence[int], target: Target) -> np.ndarray:
    """(wanted, H, W, 3) uint8 RGB, upright; `wanted` increases. Goes through all frames."""
    places = {index: place for place, index in enumerate(wanted)}
    out, paint = _empty(len(places), target), Painter(target)
    for index, frame in enumerate(frames):
        if index in places:
            out[places[index]] = paint(frame)
    return out


def read_by_seeking(
    path: Path,
    container: str,
    ticks: Sequence[int],
    key_ticks: Sequence[int],
    target: Target,
    limits: Limits,
) -> np.ndarray | None:
    """The frames stored at `ticks` (increasing), decoded from the key frame before each alone.

    None where seeking doesn't lead to exactly these frames: then read in order.
    """
    out, paint = _empty(len(ticks), target), Painter(target)
    found = 0
    with opened(path, container, limits) as stream:
        for start, group in groupby(ticks, lambda tick: bisect_right(key_ticks, tick) - 1):
            wanted = list(group)
            if start < 0:
                return None
            stream.container.seek(key_ticks[start], stream=stream)
            for frame in frames_of(stream):
                if frame.pts is None or frame.pts > wanted[0]:
                    return None
                if frame.pts == wanted[0]:
                    out[found] = paint(frame)
                    found += 1
                    wanted.pop(0)
                if not wanted:
                    break
    return out if found == len(ticks) else None
