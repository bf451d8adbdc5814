"""PyAV in strict mode: a file's packets, its frames and their RGB pixels.

Whatever the codec would conceal is an error here. (decord returns damaged frames without an error,
for 10 of 12 files with flipped bits, and is no faster than seeking.)
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
    """Bounds on a video, checked before and while it is decoded."""

    max_duration_seconds: float = 3600.0
    max_frames: int = 500_000
    max_pixels: int = 8192 * 4320  # of one frame
    max_streams: int = 32
    max_decoded_bytes: int = 4 << 30  # of all frames that one call returns
    min_frames: int = 2


@dataclass(frozen=True)
class OutputGeometry:
    """The upright size that frames are scaled to, and the rotation that makes them upright."""

    height_px: int
    width_px: int
    quarter_turns: int  # counterclockwise, as np.rot90 counts

    @property
    def stored_size(self) -> tuple[int, int]:
        """(height, width) before the rotation."""
        if self.quarter_turns % 2:
            return self.width_px, self.height_px
        return self.height_px, self.width_px


@contextmanager
def open_stream(path: Path, container: str, limits: Limits, **options: str) -> Iterator[Any]:
    """Open the first video stream, with a codec that reports damage instead of concealing it.

    Args:
        path: A file.
        container: Its container, as FFmpeg calls it.
        limits: Bounds on the file.
        options: FFmpeg's options for reading the container.

    Yields:
        The `av.VideoStream`.

    Raises:
        UnreadableVideo: Also for FFmpeg's errors within the `with` block.
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


def iter_packets(stream: Any, limits: Limits) -> Iterator[Any]:
    """Yield the stream's packets; frames of those marked `is_discard` are not shown."""
    count = 0
    for packet in stream.container.demux(stream):
        if packet.size and packet.is_corrupt:
            raise UnreadableVideo("damaged", f"packet {count} is marked as corrupt")
        if packet.size:
            count += 1
            if count > limits.max_frames:
                raise UnreadableVideo("too_long", f"expected at most {limits.max_frames:,} frames")
            yield packet


def count_packets(path: Path, container: str, limits: Limits) -> int:
    """Count the stream's packets, with those that an edit list of a trimmed mp4 leaves out."""
    with open_stream(path, container, limits, ignore_editlist="1") as stream:
        return sum(1 for _ in iter_packets(stream, limits))


def iter_frames(stream: Any) -> Iterator[Any]:
    """Yield every decoded `av.VideoFrame`; a frame with errors raises `UnreadableVideo`."""
    for index, frame in enumerate(stream.container.decode(stream)):
        if frame.is_corrupt:
            raise UnreadableVideo("damaged", f"frame {index} is corrupt")
        yield frame


class RGBConverter:
    """Converts decoded frames to upright RGB of one size."""

    def __init__(self, geometry: OutputGeometry):
        import av
        from av.video.reformatter import VideoReformatter

        self._geometry = geometry
        # before 16, which lmms-eval wants, PyAV scaled with one thread and had no such argument
        self._threading: dict[str, Any] = (
            {"threads": 1} if int(av.__version__.split(".")[0]) >= 16 else {}
        )
        self._reformatter = VideoReformatter()  # one for all: its tables cost more than a frame

    def __call__(self, frame: Any) -> np.ndarray:
        """Return an `av.VideoFrame` as (H, W, 3) uint8."""
        height, width = self._geometry.stored_size
        scaled = (frame.height, frame.width) != (height, width)
        rgb = self._reformatter.reformat(
            frame,
            width=width,
            height=height,
            format="rgb24",
            interpolation="BICUBIC" if scaled else None,
            **self._threading,
        )
        plane = rgb.planes[0]
        rows = np.frombuffer(memoryview(plane), np.uint8).reshape(height, plane.line_size)
        return np.rot90(
            rows[:, : width * 3].reshape(height, width, 3), self._geometry.quarter_turns
        )


def read_in_order(
    frames: Iterable[Any], wanted: Sequence[int], geometry: OutputGeometry
) -> np.ndarray:
    """Go through all frames and return those at the increasing indices `wanted`.

    Returns:
        (wanted, H, W, 3) uint8 RGB, upright.
    """
    rows = {index: row for row, index in enumerate(wanted)}
    pixels, convert = _empty(len(rows), geometry), RGBConverter(geometry)
    for index, frame in enumerate(frames):
        if index in rows:
            pixels[rows[index]] = convert(frame)
    return pixels


def read_by_seeking(
    path: Path,
    container: str,
    ticks: Sequence[int],
    key_ticks: Sequence[int],
    geometry: OutputGeometry,
    limits: Limits,
) -> np.ndarray | None:
    """Decode the frames at the increasing `ticks`, each group from the key frame before it.

    Returns:
        (ticks, H, W, 3) uint8 RGB, upright; None where seeking doesn't lead to exactly these
        frames, which must then be read in order.
    """
    pixels, convert = _empty(len(ticks), geometry), RGBConverter(geometry)
    row = 0
    with open_stream(path, container, limits) as stream:
        for key, group in groupby(ticks, lambda tick: bisect_right(key_ticks, tick) - 1):
            wanted = list(group)
            if key < 0:
                return None
            stream.container.seek(key_ticks[key], stream=stream)
            for frame in iter_frames(stream):
                if frame.pts is None or frame.pts > wanted[0]:
                    return None
                if frame.pts == wanted[0]:
                    pixels[row] = convert(frame)
                    row += 1
                    wanted.pop(0)
                if not wanted:
                    break
    return pixels if row == len(ticks) else None


def _empty(count: int, geometry: OutputGeometry) -> np.ndarray:
    return np.empty((count, geometry.height_px, geometry.width_px, 3), np.uint8)
