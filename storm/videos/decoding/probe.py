"""What a file says about itself: size, times and codec, from its packets and one decoded frame."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

from storm.errors import UnreadableVideo
from storm.videos.decoding.container import count_avi_chunks, detect_container
from storm.videos.decoding.readers import KeyFrame, OutputGeometry
from storm.videos.decoding.scan import (
    FrameRecord,
    agree,
    in_order,
    scan_frames,
    scan_packets,
    without_leading,
)
from storm.videos.decoding.streams import Limits, StreamRules, count_samples, open_stream

# of the others a packet may show no frame, or two packets one
_FRAME_PER_PACKET = frozenset(
    (
        *("h264", "hevc", "vvc", "av1", "vp9", "mpeg1video", "mpeg2video", "mjpeg", "jpeg2000"),
        *("prores", "dnxhd", "dvvideo", "ffv1", "huffyuv", "ffvhuff", "utvideo", "png"),
        *("rawvideo", "v210"),
    )
)
_WIDEST = 16  # pixels to one side or the other
DEFAULT_LIMITS = Limits()


@dataclass(frozen=True)
class VideoInfo:
    """Size, times and codec of a video file."""

    container: str
    codec: str
    duration_seconds: float  # from the first frame's start to the last one's end
    fps: float  # frames over duration
    frames: int
    height_px: int  # upright, as shown
    width_px: int  # upright, as shown: pixels of the file may not be square
    quarter_turns: int  # counterclockwise, from stored to upright
    pts_seconds: tuple[float, ...] = field(repr=False)  # of each frame, in order, from 0
    ticks: tuple[int, ...] = field(repr=False)  # the same as stored; empty: the file has no times
    keys: tuple[KeyFrame, ...] = field(repr=False)  # of the frames that decoding can start at
    seekable: bool  # whether a frame's tick says which one it is
    packet_bytes: tuple[int, ...] = field(repr=False)  # of each frame; empty: not known
    tick_seconds: Fraction = field(repr=False)
    rules: StreamRules = StreamRules()

    @property
    def notes(self) -> tuple[str, ...]:
        """What is odd about the file and harms no picture, as slugs."""
        return ("broken_sei",) if self.rules.without_sei else ()

    def nearest(self, pts_seconds: float) -> int:
        """Return the index of the frame nearest to a time; the earlier of two as near."""
        times = self.pts_seconds
        right = bisect_left(times, pts_seconds)
        if right == 0 or right == len(times):
            return min(right, len(times) - 1)
        # in ticks, where a thousandth is noise of the division, never a difference of times
        before = (pts_seconds - times[right - 1]) / self.tick_seconds
        after = (times[right] - pts_seconds) / self.tick_seconds
        return right if after < before - 1e-3 else right - 1

    def geometry(self, max_edge_px: int | None) -> OutputGeometry:
        """Return the frames' size when the longer edge is scaled down to `max_edge_px`."""
        scale = min(1.0, (max_edge_px or math.inf) / max(self.height_px, self.width_px))
        height, width = (max(1, round(edge * scale)) for edge in (self.height_px, self.width_px))
        return OutputGeometry(height, width, self.quarter_turns)


def probe(path: str | Path, limits: Limits = DEFAULT_LIMITS) -> VideoInfo:
    """Read a file's packets and decode its first frames; all, of a codec whose packets hide some.

    Frames past the first may still be damaged: `verify_decodable` decodes all.

    Raises:
        UnreadableVideo: With the reason `missing`, `not_a_file`, `no_permission`, `empty_file`,
            `not_a_video`, `unsupported_container`, `unsupported_codec`, `no_video_stream`,
            `no_frames`, `too_many_streams`, `too_long`, `too_large`, `too_short` or `damaged`.
    """
    path = Path(path)
    container = detect_container(path)
    with open_stream(path, container, limits, strict=False) as stream:
        _check_header(stream, limits)
        codec = stream.codec_context.name.removeprefix("lib")
        number, header_frames, tick_seconds = stream.index, stream.frames, stream.time_base
        header_end = _end_in_header(stream)
        rate = float(stream.average_rate or stream.guessed_rate or 25)
        aspect = _pixel_aspect(stream)
        records, opening = scan_packets(stream, limits)
    if not opening:
        raise UnreadableVideo("no_frames", f"no frame can be decoded: {path}")
    records, rules = without_leading(records, opening[0].pts)
    if codec not in _FRAME_PER_PACKET or not agree(records, opening):
        records = scan_frames(path, container, limits, rules)
    if len(records) < limits.min_frames:
        expected = f"expected at least {limits.min_frames} frames"
        raise UnreadableVideo("too_short", f"{expected}, found {len(records)}: {path}")
    start, times, duration = _timeline(records, tick_seconds, rate)
    if header_frames > len(records):
        _check_sample_count(path, container, number, header_frames, limits)
    _check_end(path, start + duration, header_end, rate)
    if duration > limits.max_duration_seconds:
        raise UnreadableVideo("too_long", _too_long(duration, limits))
    turns = round(opening[0].rotation / 90) % 4
    size = opening[0].height, max(1, round(opening[0].width * aspect))
    height, width = size[::-1] if turns % 2 else size
    _check_size(height, width, limits)
    timed = [] if any(r.tick is None for r in records) else sorted(records, key=FrameRecord.when)
    keys = tuple(KeyFrame(r.when(), r.dts) for r in timed if r.is_key)
    # times that FFmpeg guesses, after a seek otherwise than before
    guessed = container == "mpeg" or (container == "avi" and len(keys) < len(timed))
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
        ticks=tuple(r.when() for r in timed),
        keys=keys,
        seekable=bool(keys) and not guessed and in_order(opening),
        packet_bytes=tuple(r.size for r in timed) if any(r.size for r in timed) else (),
        tick_seconds=tick_seconds,
        rules=rules,
    )


def _pixel_aspect(stream: Any) -> Fraction:
    """Return a pixel's width over its height, 1 where the file says nothing sensible."""
    aspect = stream.sample_aspect_ratio
    return Fraction(aspect) if aspect and 1 / _WIDEST <= aspect <= _WIDEST else Fraction(1)


def _timeline(
    records: Sequence[FrameRecord], tick_seconds: Fraction, rate: float
) -> tuple[float, tuple[float, ...], float]:
    """Return the first frame's stored time, each frame's time from there, and the duration."""
    ordered = sorted((r.tick, r.duration or 0) for r in records if r.tick is not None)
    if len(ordered) < len(records):  # raw streams: the rate is all there is
        return 0.0, tuple(i / rate for i in range(len(records))), len(records) / rate
    first, (last, length) = ordered[0][0], ordered[-1]
    # one division for each time: correctly rounded
    up, down = tick_seconds.numerator, tick_seconds.denominator
    times = tuple((tick - first) * up / down for tick, _ in ordered)
    end = (last - first + length) * up / down if length else times[-1] + 1 / rate
    return first * up / down, times, end


def _end_in_header(stream: Any) -> float | None:
    """Return the end in seconds that the header promises; None where it can't be trusted."""
    file = stream.container
    if file.format.name.startswith("matroska") and len(file.streams) == 1 and file.duration:
        return file.duration / 1e6
    return None


def _check_header(stream: Any, limits: Limits) -> None:
    height, width = stream.codec_context.height, stream.codec_context.width
    _check_size(height, width, limits)
    seconds = (stream.container.duration or 0) / 1e6
    if seconds > limits.max_duration_seconds:
        raise UnreadableVideo("too_long", _too_long(seconds, limits))


def _check_sample_count(
    path: Path, container: str, stream: int, header_frames: int, limits: Limits
) -> None:
    """Raise if the header counts more samples than the file holds, the empty ones with them."""
    if container == "avi":
        samples = count_avi_chunks(path, stream)
    else:
        samples = count_samples(path, container, limits)
    if header_frames > samples:
        raise UnreadableVideo(
            "damaged", f"expected {header_frames} frames, found {samples}: {path}"
        )


def _check_end(path: Path, end: float, header_end: float | None, rate: float) -> None:
    """Raise for time that the header promises and the file doesn't hold."""
    if header_end is not None and header_end - end > max(0.5, 2 / rate):
        raise UnreadableVideo(
            "damaged", f"expected {header_end:.2f} s of frames, found {end:.2f} s: {path}"
        )


def _too_long(seconds: float, limits: Limits) -> str:
    return f"expected at most {limits.max_duration_seconds:g} s, found {seconds:.0f} s"


def _check_size(height: int, width: int, limits: Limits) -> None:
    if height * width > limits.max_pixels:
        raise UnreadableVideo(
            "too_large", f"expected at most {limits.max_pixels:,} pixels, found {width} x {height}"
        )
