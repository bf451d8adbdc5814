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
from storm.videos.decoding.container import detect_container
from storm.videos.decoding.readers import (
    Limits,
    OutputGeometry,
    count_packets,
    iter_frames,
    iter_packets,
    open_stream,
)

_CODECS_WITH_HIDDEN_FRAMES = ("vp8", "mpeg4", "msmpeg4v3", "theora")  # a packet may show no frame
DEFAULT_LIMITS = Limits()


@dataclass(frozen=True)
class VideoInfo:
    """Size, times and codec of a video file."""

    container: str
    codec: str
    duration_seconds: float  # from the first frame's start to the last one's end
    fps: float  # frames over duration
    frames: int
    height_px: int  # upright
    width_px: int  # upright
    quarter_turns: int  # counterclockwise, from stored to upright
    pts_seconds: tuple[float, ...] = field(repr=False)  # of each frame, in order, from 0
    ticks: tuple[int, ...] = field(repr=False)  # the same as stored; empty: the file has no times
    key_ticks: tuple[int, ...] = field(repr=False)  # of the frames that decoding can start at
    packet_bytes: tuple[int, ...] = field(repr=False)  # of each frame; empty: not known
    tick_seconds: Fraction = field(repr=False)

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
    """Read a file's packets and decode its first frame.

    Frames past the first may still be damaged: `verify_decodable` decodes all.

    Raises:
        UnreadableVideo: With the reason `missing`, `not_a_file`, `no_permission`, `empty_file`,
            `not_a_video`, `no_video_stream`, `no_frames`, `too_many_streams`, `too_long`,
            `too_large`, `too_short` or `damaged`.
    """
    path = Path(path)
    container = detect_container(path)
    with open_stream(path, container, limits) as stream:
        _check_header(stream, limits)
        codec = stream.codec_context.name
        has_hidden_frames = codec.removeprefix("lib") in _CODECS_WITH_HIDDEN_FRAMES
        header_frames, tick_seconds = stream.frames, stream.time_base
        header_end = _end_in_header(stream)
        scan = _scan_frames if has_hidden_frames else _scan_packets
        records, first = scan(stream, limits)
        if first is None:
            raise UnreadableVideo("no_frames", f"no frame can be decoded: {path}")
        rate = float(stream.average_rate or stream.guessed_rate or 25)
    if len(records) < limits.min_frames:
        expected = f"expected at least {limits.min_frames} frames"
        raise UnreadableVideo("too_short", f"{expected}, found {len(records)}: {path}")
    start, times, duration = _timeline(records, tick_seconds, rate)
    if header_frames > len(records) and not has_hidden_frames:
        _check_packet_count(path, container, limits, header_frames)
    _check_end(path, start + duration, header_end, rate)
    if duration > limits.max_duration_seconds:
        raise UnreadableVideo("too_long", _too_long(duration, limits))
    turns = round(first.rotation / 90) % 4
    height, width = (first.width, first.height) if turns % 2 else (first.height, first.width)
    has_times = all(r.tick is not None for r in records)
    timed = sorted(records, key=lambda r: r.tick or 0) if has_times else []
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
        ticks=tuple(r.tick or 0 for r in timed),
        key_ticks=tuple(r.tick or 0 for r in timed if r.is_key),
        packet_bytes=tuple(r.size for r in timed) if any(r.size for r in timed) else (),
        tick_seconds=tick_seconds,
    )


@dataclass(frozen=True)
class _FrameRecord:
    """What is known of a frame without its pixels."""

    tick: int | None
    duration: int | None  # in ticks
    size: int = 0  # of its packet, bytes; 0 if not known
    is_key: bool = False


def _scan_packets(stream: Any, limits: Limits) -> tuple[list[_FrameRecord], Any]:
    """Return a record for each packet that shows a frame, and the first frame or None."""
    first, records = None, []
    for packet in iter_packets(stream, limits):
        tick = packet.dts if packet.pts is None else packet.pts
        if not packet.is_discard:
            records.append(_FrameRecord(tick, packet.duration, packet.size, packet.is_keyframe))
        first = first or next(iter(packet.decode()), None)
    return records, first or next(iter(stream.codec_context.decode(None)), None)


def _scan_frames(stream: Any, limits: Limits) -> tuple[list[_FrameRecord], Any]:
    """Do the same for a codec whose packets may show no frame, by decoding them all."""
    first, records = None, []
    for frame in iter_frames(stream):
        first = first or frame
        records.append(_FrameRecord(frame.pts, frame.duration))
    return records, first


def _timeline(
    records: Sequence[_FrameRecord], tick_seconds: Fraction, rate: float
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
    if height * width > limits.max_pixels:
        raise UnreadableVideo(
            "too_large", f"expected at most {limits.max_pixels:,} pixels, found {width} x {height}"
        )
    seconds = (stream.container.duration or 0) / 1e6
    if seconds > limits.max_duration_seconds:
        raise UnreadableVideo("too_long", _too_long(seconds, limits))


def _check_packet_count(path: Path, container: str, limits: Limits, header_frames: int) -> None:
    packets = count_packets(path, container, limits)
    if header_frames > packets:
        raise UnreadableVideo(
            "damaged", f"expected {header_frames} frames, found {packets}: {path}"
        )


def _check_end(path: Path, end: float, header_end: float | None, rate: float) -> None:
    """Raise for time that the header promises and the file doesn't hold."""
    if header_end is not None and header_end - end > max(0.5, 2 / rate):
        raise UnreadableVideo(
            "damaged", f"expected {header_end:.2f} s of frames, found {end:.2f} s: {path}"
        )


def _too_long(seconds: float, limits: Limits) -> str:
    return f"expected at most {limits.max_duration_seconds:g} s, found {seconds:.0f} s"
