"""Reading a video: upright frames with true times, or one named reason why not.

Every frame of a file is decoded by PyAV in its strict mode, and counted against the packets, so
that damage never passes for content; decord, which jumps to a frame quickly but repairs damaged
ones in silence, reads only what the caller knows to be `whole` (PyAV behind it for what it
can't). Unscaled 8-bit frames are equal from both. Call these in a child process with limits: a
codec may crash.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from storm.errors import UnreadableVideo
from storm.videos.container import recognise
from storm.videos.readers import (
    Limits,
    Target,
    frames_of,
    opened,
    packets_of,
    read_decord,
    read_pyav,
)

_HIDDEN_FRAMES = ("vp8", "mpeg4", "msmpeg4v3", "theora")  # a packet may show no frame
DEFAULT_LIMITS = Limits()


@dataclass(frozen=True)
class Clip:
    """Decoded frames of one video."""

    frames: np.ndarray  # (T, H, W, 3) uint8 RGB, upright
    pts_seconds: tuple[float, ...]  # of each frame, counted from the video's first
    duration_seconds: float  # of the whole video

    def __repr__(self) -> str:
        return f"Clip({self.frames.shape}, {self.duration_seconds:.3f} s)"


@dataclass(frozen=True)
class VideoInfo:
    """What a file says about itself, without decoding more than one frame."""

    container: str
    codec: str
    duration_seconds: float  # from the first frame's start to the last one's end
    fps: float  # frames over duration
    frames: int
    height_px: int  # upright
    width_px: int  # upright
    quarter_turns: int  # counterclockwise, from stored to upright
    pts_seconds: tuple[float, ...] = field(repr=False)  # of each frame, in order, from 0


def interval_middles(duration_seconds: float, n: int) -> tuple[float, ...]:
    """The one sampling rule: the middles of n equal intervals of the duration."""
    return tuple(duration_seconds * (i + 0.5) / n for i in range(n))


def probe(path: str | Path, limits: Limits = DEFAULT_LIMITS) -> VideoInfo:
    """Size, times and codec, from the packets and one decoded frame.

    Raises `UnreadableVideo` with the reason `missing`, `not_a_file`, `no_permission`,
    `empty_file`, `not_a_video`, `no_video_stream`, `too_many_streams`, `too_long`, `too_large`,
    `too_short` or `damaged`. Frames past the first may still be damaged: `check` decodes all.
    """
    path = Path(path)
    container = recognise(path)
    with opened(path, container, limits) as stream:
        _refuse_by_header(stream, limits)
        codec = stream.codec_context.name
        promised, time_base = stream.frames, stream.time_base
        end_seconds = _promised_end(stream)
        if codec.removeprefix("lib") in _HIDDEN_FRAMES:
            ticks = [(frame.pts, frame.duration) for frame in frames_of(stream)]
        else:
            ticks = [(_time_of(packet), packet.duration) for packet in packets_of(stream, limits)]
        rate = float(stream.average_rate or stream.guessed_rate or 25)
    with opened(path, container, limits) as stream:
        first = next(frames_of(stream), None)
        if first is None:
            raise UnreadableVideo("no_frames", f"no frame can be decoded: {path}")
        turns = round(first.rotation / 90) % 4
        height, width = first.height, first.width
    if turns % 2:
        height, width = width, height
    if len(ticks) < limits.min_frames:
        raise UnreadableVideo(
            "too_short", f"expected at least {limits.min_frames} frames, found {len(ticks)}: {path}"
        )
    start, times, duration = _times(ticks, time_base, rate)
    _refuse_missing_tail(path, codec, len(ticks), promised, start + duration, end_seconds, rate)
    if duration > limits.max_duration_seconds:
        raise UnreadableVideo("too_long", _too_long(duration, limits))
    return VideoInfo(
        container=container,
        codec=codec,
        duration_seconds=duration,
        fps=len(times) / duration,
        frames=len(times),
        height_px=height,
        width_px=width,
        quarter_turns=turns,
        pts_seconds=times,
    )


def check(path: str | Path, limits: Limits = DEFAULT_LIMITS) -> VideoInfo:
    """`probe`, and every frame decoded: afterwards the file is known to be whole."""
    info = probe(path, limits)
    target = Target(info.height_px, info.width_px, info.quarter_turns)
    read_pyav(Path(path), info.container, (), info.frames, target, limits)
    return info


def decode_all(
    path: str | Path,
    max_edge_px: int | None = None,
    *,
    whole: bool = False,
    limits: Limits = DEFAULT_LIMITS,
) -> Clip:
    """Every frame, scaled down so that the longer edge is at most `max_edge_px`.

    `whole`: the caller checked this very file (by its digest), so decord may read it.
    """
    info = probe(path, limits)
    frames = _read(Path(path), info, None, max_edge_px, whole, limits)
    return Clip(frames, info.pts_seconds, info.duration_seconds)


def decode_at(
    path: str | Path,
    pts_seconds: Sequence[float],
    max_edge_px: int | None = None,
    *,
    whole: bool = False,
    limits: Limits = DEFAULT_LIMITS,
) -> Clip:
    """The frame nearest to each time, in the order asked for (the same frame may come twice)."""
    info = probe(path, limits)
    asked = [_nearest(info.pts_seconds, time) for time in pts_seconds]
    wanted = sorted(set(asked))
    frames = _read(Path(path), info, wanted, max_edge_px, whole, limits)
    if asked != wanted:
        frames = frames[[wanted.index(i) for i in asked]]
    return Clip(frames, tuple(info.pts_seconds[i] for i in asked), info.duration_seconds)


def _read(
    path: Path,
    info: VideoInfo,
    wanted: Sequence[int] | None,
    max_edge_px: int | None,
    whole: bool,
    limits: Limits,
) -> np.ndarray:
    scale = min(1.0, (max_edge_px or math.inf) / max(info.height_px, info.width_px))
    height, width = (max(1, round(edge * scale)) for edge in (info.height_px, info.width_px))
    target = Target(height, width, info.quarter_turns)
    size = height * width * 3 * (info.frames if wanted is None else len(wanted))
    if size > limits.max_decoded_bytes:
        raise UnreadableVideo(
            "too_large",
            f"its frames take {size:,} bytes, expected at most {limits.max_decoded_bytes:,}: "
            f"lower max_edge_px: {path}",
        )
    frames = read_decord(path, wanted, info.frames, target) if whole else None
    if frames is None:
        frames = read_pyav(path, info.container, wanted, info.frames, target, limits)
    return frames


def _nearest(times: Sequence[float], time: float) -> int:
    right = bisect_left(times, time)
    candidates = [i for i in (right - 1, right) if 0 <= i < len(times)]
    return min(candidates, key=lambda i: abs(times[i] - time))


def _time_of(packet: Any) -> int | None:
    return packet.dts if packet.pts is None else packet.pts


def _times(
    ticks: Sequence[tuple[int | None, int | None]], time_base: Fraction, rate: float
) -> tuple[float, tuple[float, ...], float]:
    """The first frame's time as stored, each frame's from there, and the duration; in seconds."""
    if any(time is None for time, _ in ticks):  # raw streams: the rate is all there is
        return 0.0, tuple(i / rate for i in range(len(ticks))), len(ticks) / rate
    ordered = sorted((time, duration or 0) for time, duration in ticks if time is not None)
    first, (last, length) = ordered[0][0], ordered[-1]
    up, down = time_base.numerator, time_base.denominator  # one division a time: correctly rounded
    times = tuple((time - first) * up / down for time, _ in ordered)
    end = (last - first + length) * up / down if length else times[-1] + 1 / rate
    return first * up / down, times, end


def _promised_end(stream: Any) -> float | None:
    """Where the header says that the video ends, in seconds; None if only the file's rest tells."""
    file = stream.container
    if file.format.name.startswith("matroska") and len(file.streams) == 1 and file.duration:
        return file.duration / 1e6
    return None


def _refuse_by_header(stream: Any, limits: Limits) -> None:
    height, width = stream.codec_context.height, stream.codec_context.width
    if height * width > limits.max_pixels:
        raise UnreadableVideo(
            "too_large", f"expected at most {limits.max_pixels:,} pixels, found {width} x {height}"
        )
    if not stream.container.duration:
        return
    seconds = stream.container.duration / 1e6
    if seconds > limits.max_duration_seconds:
        raise UnreadableVideo("too_long", _too_long(seconds, limits))


def _too_long(seconds: float, limits: Limits) -> str:
    return f"expected at most {limits.max_duration_seconds:g} s, found {seconds:.0f} s"


def _refuse_missing_tail(
    path: Path,
    codec: str,
    found: int,
    promised: int,
    end: float,
    end_seconds: float | None,
    rate: float,
) -> None:
    """Packets that the header counts, or time that it promises, and the file does not hold."""
    if promised > found and codec.removeprefix("lib") not in _HIDDEN_FRAMES:
        raise UnreadableVideo("damaged", f"expected {promised} frames, found {found}: {path}")
    if end_seconds is not None and end_seconds - end > max(0.5, 2 / rate):
        raise UnreadableVideo(
            "damaged", f"expected {end_seconds:.2f} s of frames, found {end:.2f} s: {path}"
        )
