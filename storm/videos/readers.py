"""The two decoders behind `storm.videos.decode`; unscaled 8-bit frames are equal from both.

`pyav` decodes every frame in order and treats whatever the codec would conceal as an error.
`decord` jumps to the frames asked for, but repairs damaged frames without a word: only read with
it what `pyav` found whole.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
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
def opened(path: Path, container: str, limits: Limits) -> Iterator[Any]:
    """The first video stream (PyAV), its codec set to take concealed damage for an error."""
    import av
    from av.error import FFmpegError

    av.logging.set_level(None)
    try:
        with av.open(str(path), format=container) as file:
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
    """The stream's packets that hold a frame to be shown."""
    count = 0
    for packet in stream.container.demux(stream):
        if packet.size and packet.is_corrupt:
            raise UnreadableVideo("damaged", f"packet {count} is marked as corrupt")
        if packet.size and not packet.is_discard:
            count += 1
            if count > limits.max_frames:
                raise UnreadableVideo("too_long", f"expected at most {limits.max_frames:,} frames")
            yield packet


def frames_of(stream: Any) -> Iterator[Any]:
    """Every decoded frame; raises `UnreadableVideo("damaged")` where a frame has errors."""
    for index, frame in enumerate(stream.container.decode(stream)):
        if frame.is_corrupt:
            raise UnreadableVideo("damaged", f"frame {index} is corrupt")
        yield frame


def read_pyav(
    path: Path,
    container: str,
    wanted: Sequence[int] | None,
    count: int,
    target: Target,
    limits: Limits,
) -> np.ndarray:
    """(wanted, H, W, 3) uint8 RGB, upright; `wanted` increases (None: all; empty: check only).

    Decodes all of the file and raises `damaged` unless it holds `count` sound frames.
    """
    import av
    from av.video.reformatter import VideoReformatter

    # before 16, which lmms-eval wants, PyAV scaled with one thread and had no such argument
    alone: dict[str, Any] = {"threads": 1} if int(av.__version__.split(".")[0]) >= 16 else {}
    indices = range(count) if wanted is None else wanted
    places = {index: place for place, index in enumerate(indices)}
    height, width = target.stored
    out = np.empty((len(places), height, width, 3), np.uint8)
    reformatter = VideoReformatter()  # one for all: making its tables costs more than a frame
    found = 0
    with opened(path, container, limits) as stream:
        for index, frame in enumerate(frames_of(stream)):
            found += 1
            if index not in places:
                continue
            scaled = (frame.height, frame.width) != (height, width)
            rgb = reformatter.reformat(
                frame,
                width=width,
                height=height,
                format="rgb24",
                interpolation="BICUBIC" if scaled else None,
                **alone,
            )
            plane = rgb.planes[0]
            rows = np.frombuffer(memoryview(plane), np.uint8).reshape(height, plane.line_size)
            out[places[index]] = rows[:, : width * 3].reshape(height, width, 3)
    if found != count:
        raise UnreadableVideo("damaged", f"expected {count} frames, decoded {found}: {path}")
    if target.quarter_turns:
        out = np.ascontiguousarray(np.rot90(out, target.quarter_turns, axes=(1, 2)))
    return out


def load_decord() -> Any:
    """The module decord, imported so that torch survives it.

    decord2 opens every library of the `nvidia` packages for all to see, NVBLAS among them; a torch
    that is imported later takes its matrix products from there and dies of a segmentation fault.
    Decoding on the CPU needs none of them: while decord is imported, `nvidia` can't be found.
    """
    if "decord" not in sys.modules:
        missing = object()
        nvidia = sys.modules.get("nvidia", missing)
        sys.modules["nvidia"] = None  # type: ignore[assignment]
        try:
            import decord
        finally:
            del sys.modules["nvidia"]
            if nvidia is not missing:
                sys.modules["nvidia"] = nvidia  # type: ignore[assignment]
    import decord

    decord.logging.set_level(decord.logging.QUIET)
    return decord


def read_decord(
    path: Path, wanted: Sequence[int] | None, count: int, target: Target
) -> np.ndarray | None:
    """The same frames by random access; None if decord can't read the file as expected."""
    decord = load_decord()
    try:
        reader = decord.VideoReader(
            str(path),
            ctx=decord.cpu(0),
            width=target.width_px,
            height=target.height_px,
            num_threads=1,
        )
        if len(reader) != count:
            return None
        batch = reader.get_batch(range(count) if wanted is None else list(wanted))
    except (decord.DECORDError, RuntimeError, AssertionError):
        return None
    return batch.asnumpy()
