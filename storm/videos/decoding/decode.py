"""Reading a video: upright frames with true times, or one named reason why not.

Every frame of a file is decoded by PyAV in its strict mode, and counted against the packets, so
that damage never passes for content. A `verified` file (checked before, its digest compared since)
needs no second full reading: a few of its frames are fetched by seeking. Call these in a child
process with limits: a codec may crash.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

from storm.errors import UnreadableVideo
from storm.videos.decoding.container import recognise
from storm.videos.decoding.readers import (
    Limits,
    Target,
    frames_of,
    opened,
    packets_in,
    packets_of,
    read_by_seeking,
    read_in_order,
)
from storm.videos.frames import VideoFrames

_HIDDEN_FRAMES = ("vp8", "mpeg4", "msmpeg4v3", "theora")  # a packet may show no frame
DEFAULT_LIMITS = Limits()


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
    ticks: tuple[int, ...] = field(repr=False)  # the same as stored; empty: the file has no times
    key_ticks: tuple[int, ...] = field(repr=False)  # of the frames that decoding can start at
    packet_bytes: tuple[int, ...] = field(repr=False)  # of each frame; empty: not known
    tick_seconds: Fraction = field(repr=False)

    def nearest(self, pts_seconds: float) -> int:
        """The index of the frame nearest to a time; of two as near, the earlier."""
        times = self.pts_seconds
        right = bisect_left(times, pts_seconds)
        if right == 0 or right == len(times):
            return min(right, len(times) - 1)
        # in ticks, where a thousandth is noise of the division, never a difference of times
        before = (pts_seconds - times[right - 1]) / self.tick_seconds
        after = (times[right] - pts_seconds) / self.tick_seconds
        return right if after < before - 1e-3 else right - 1

    def target(self, max_edge_px: int | None) -> Target:
        """The size of its frames when the longer edge is scaled down to `max_edge_px`."""
        scale = min(1.0, (max_edge_px or math.inf) / max(self.height_px, self.width_px))
        height, width = (max(1, round(edge * scale)) for edge in (self.height_px, self.width_px))
        return Target(height, width, self.quarter_turns)


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
        first, shown = None, []
        if codec.removeprefix("lib") in _HIDDEN_FRAMES:
            for frame in frames_of(stream):
                first = first or frame
                shown.append(_Shown(frame.pts, frame.duration, 0, False))
        else:
            for packet in packets_of(stream, limits):
                tick = _time_of(packet)
                if not packet.is_discard:
                    shown.append(_Shown(tick, packet.duration, packet.size, packet.is_keyframe))
                first = first or next(iter(packet.decode()), None)
            first = first or next(iter(stream.codec_context.decode(None)), None)
        if first is None:
            raise UnreadableVideo("no_frames", f"no frame can be decoded: {path}")
        rate = float(stream.average_rate or stream.guessed_rate or 25)
    turns = round(first.rotation / 90) % 4
    height, width = first.height, first.width
    if turns % 2:
        height, width = width, height
    if len(shown) < limits.min_frames:
        raise UnreadableVideo(
            "too_short", f"expected at least {limits.min_frames} frames, found {len(shown)}: {path}"
        )
    start, times, duration = _times(shown, time_base, rate)
    if promised > len(shown) and codec.removeprefix("lib") not in _HIDDEN_FRAMES:
        found = packets_in(path, container, limits)
        if promised > found:
            raise UnreadableVideo("damaged", f"expected {promised} frames, found {found}: {path}")
    _refuse_missing_end(path, start + duration, end_seconds, rate)
    if duration > limits.max_duration_seconds:
        raise UnreadableVideo("too_long", _too_long(duration, limits))
    timed = sorted((s for s in shown if s.tick is not None), key=lambda s: s.tick or 0)
    if len(timed) < len(shown):
        timed = []
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
        ticks=tuple(s.tick or 0 for s in timed),
        key_ticks=tuple(s.tick or 0 for s in timed if s.is_key),
        packet_bytes=tuple(s.size for s in timed) if any(s.size for s in timed) else (),
        tick_seconds=time_base,
    )


def check(path: str | Path, limits: Limits = DEFAULT_LIMITS) -> VideoInfo:
    """`probe`, and every frame decoded: afterwards the file is known to be whole."""
    info = probe(path, limits)
    for _ in stream(path, info, limits):
        pass
    return info


def stream(
    path: str | Path, info: VideoInfo, limits: Limits = DEFAULT_LIMITS
) -> Iterator[Any]:  # of av.VideoFrame
    """Every frame in order, as the codec gives it; memory doesn't grow with the video.

    Raises `UnreadableVideo("damaged")` at the end unless there were as many as probed.
    """
    count = 0
    with opened(Path(path), info.container, limits) as source:
        for frame in frames_of(source):
            count += 1
            yield frame
    if count != info.frames:
        raise UnreadableVideo("damaged", f"expected {info.frames} frames, decoded {count}: {path}")


def decode_all(
    path: str | Path, max_edge_px: int | None = None, *, limits: Limits = DEFAULT_LIMITS
) -> VideoFrames:
    """Every frame, scaled down so that the longer edge is at most `max_edge_px`."""
    info = probe(path, limits)
    return fetch(path, info, range(info.frames), max_edge_px, limits=limits)


def decode_at(
    path: str | Path,
    pts_seconds: Sequence[float],
    max_edge_px: int | None = None,
    *,
    verified: bool = False,
    limits: Limits = DEFAULT_LIMITS,
) -> VideoFrames:
    """The frame nearest to each time, in the order asked for (the same frame may come twice).

    `verified`: this very file was checked before, so what isn't asked for need not be read again.
    """
    info = probe(path, limits)
    asked = [info.nearest(time) for time in pts_seconds]
    return fetch(path, info, asked, max_edge_px, verified=verified, limits=limits)


def fetch(
    path: str | Path,
    info: VideoInfo,
    indices: Sequence[int],
    max_edge_px: int | None = None,
    *,
    verified: bool = False,
    limits: Limits = DEFAULT_LIMITS,
) -> VideoFrames:
    """Frames of a probed video by index, in the order asked for."""
    target = info.target(max_edge_px)
    wanted = sorted(set(indices))
    size = target.height_px * target.width_px * 3 * len(wanted)
    if size > limits.max_decoded_bytes:
        raise UnreadableVideo(
            "too_large",
            f"its frames take {size:,} bytes, expected at most {limits.max_decoded_bytes:,}: "
            f"lower max_edge_px: {path}",
        )
    frames = None
    if verified and info.ticks and info.key_ticks:
        ticks = [info.ticks[i] for i in wanted]
        frames = read_by_seeking(Path(path), info.container, ticks, info.key_ticks, target, limits)
    if frames is None:
        frames = read_in_order(stream(path, info, limits), wanted, target)
    if list(indices) != wanted:
        place = {index: n for n, index in enumerate(wanted)}
        frames = frames[[place[i] for i in indices]]
    return VideoFrames(frames, tuple(info.pts_seconds[i] for i in indices))


@dataclass(frozen=True)
class _Shown:
    """What is known of a frame before it is decoded."""

    tick: int | None
    duration: int | None  # in ticks
    size: int  # of its packet, bytes; 0 if not known
    is_key: bool


def _time_of(packet: Any) -> int | None:
    return packet.dts if packet.pts is None else packet.pts


def _times(
    shown: Sequence[_Shown], time_base: Fraction, rate: float
) -> tuple[float, tuple[float, ...], float]:
    """The first frame's time as stored, each frame's from there, and the duration; in seconds."""
    ordered = sorted((s.tick, s.duration or 0) for s in shown if s.tick is not None)
    if len(ordered) < len(shown):  # raw streams: the rate is all there is
        return 0.0, tuple(i / rate for i in range(len(shown))), len(shown) / rate
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


def _refuse_missing_end(path: Path, end: float, end_seconds: float | None, rate: float) -> None:
    """Time that the header promises and the file does not hold."""
    if end_seconds is not None and end_seconds - end > max(0.5, 2 / rate):
        raise UnreadableVideo(
            "damaged", f"expected {end_seconds:.2f} s of frames, found {end:.2f} s: {path}"
        )
