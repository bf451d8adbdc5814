"""Decoding of probed videos: upright frames with true times, or one named reason why not.

Every frame of a file is decoded by PyAV in strict mode and counted against the packets, so that
damage never passes for content. A `verified` file (checked before, its digest compared since) needs
no second full reading: a few of its frames are fetched by seeking. Call these in a child process
with limits: a codec may crash.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from storm.errors import UnreadableVideo
from storm.videos.decoding.probe import DEFAULT_LIMITS, VideoInfo, probe
from storm.videos.decoding.readers import read_by_seeking, read_in_order
from storm.videos.decoding.streams import Limits, StreamRules, read_frames
from storm.videos.frames import VideoFrames


def interval_midpoints(duration_seconds: float, n: int) -> tuple[float, ...]:
    """Return the midpoints of n equal intervals of the duration: the one sampling rule."""
    return tuple(duration_seconds * (i + 0.5) / n for i in range(n))


def verify_decodable(path: str | Path, limits: Limits = DEFAULT_LIMITS) -> VideoInfo:
    """Probe a file and decode every frame; raise `UnreadableVideo` if any is damaged."""
    info = probe(path, limits)
    frames = decode_in_order(path, info, limits)
    while True:
        try:
            next(frames)
        except StopIteration as end:
            return replace(info, rules=end.value)


def decode_in_order(
    path: str | Path, info: VideoInfo, limits: Limits = DEFAULT_LIMITS
) -> Generator[Any, None, StreamRules]:
    """Yield every `av.VideoFrame` as the codec gives it; memory doesn't grow with the video.

    Returns:
        The rules by which the file could be read.

    Raises:
        UnreadableVideo: `damaged`, at the end, unless there were as many frames as probed.
    """
    count = 0
    frames = read_frames(Path(path), info.container, limits, info.rules)
    while True:
        try:
            frame = next(frames)
        except StopIteration as end:
            rules = end.value
            break
        count += 1
        yield frame
    if count != info.frames:
        raise UnreadableVideo("damaged", f"expected {info.frames} frames, decoded {count}: {path}")
    return rules


def fetch_frames(
    path: str | Path,
    info: VideoInfo,
    indices: Sequence[int],
    max_edge_px: int | None = None,
    *,
    verified: bool = False,
    limits: Limits = DEFAULT_LIMITS,
) -> VideoFrames:
    """Decode frames of a probed video by index.

    Args:
        path: The file.
        info: What `probe` says about it.
        indices: The frames, in any order; one may come twice.
        max_edge_px: The longer edge is scaled down to this.
        verified: This very file was checked before, so frames between need not be read again.
        limits: Bounds on the video and the size of what is returned.
    """
    geometry = info.geometry(max_edge_px)
    wanted = sorted(set(indices))
    size = geometry.height_px * geometry.width_px * 3 * len(wanted)
    if size > limits.max_decoded_bytes:
        raise UnreadableVideo(
            "too_large",
            f"its frames take {size:,} bytes, expected at most {limits.max_decoded_bytes:,}: "
            f"lower max_edge_px: {path}",
        )
    pixels = None
    if verified and info.seekable:
        ticks = [info.ticks[i] for i in wanted]
        pixels = read_by_seeking(
            Path(path), info.container, ticks, info.keys, geometry, limits, info.rules
        )
    if pixels is None:
        pixels = read_in_order(decode_in_order(path, info, limits), wanted, geometry)
    if list(indices) != wanted:
        row = {index: n for n, index in enumerate(wanted)}
        pixels = pixels[[row[i] for i in indices]]
    return VideoFrames(pixels, tuple(info.pts_seconds[i] for i in indices))
