"""Frame sampling: the one rule for training, targets and inference."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import PositiveFloat, PositiveInt

from storm.config import FrozenModel
from storm.errors import UnreadableVideo
from storm.videos.decoding.decode import fetch_frames, interval_midpoints
from storm.videos.decoding.folder import FrameFolder
from storm.videos.decoding.probe import probe
from storm.videos.frames import VideoFrames


@dataclass(frozen=True)
class Segment:
    """A video file or a folder of frames, all of it or a part."""

    path: Path
    clip_seconds: tuple[float, float] | None = None  # start and end; None: the whole
    frames_fps: float | None = None  # of a folder of frames, in order of their names


class FrameSampling(FrozenModel):
    """`frames` frames at the midpoints of equal intervals of time.

    A student trained with one rule and asked with another loses tens of points: every stage that
    shows the student a video uses this one.
    """

    frames: PositiveInt = 18
    size_px: PositiveInt | None = None  # longest edge at most; None leaves the size
    fps: PositiveFloat | None = None  # so many frames a second, but at most `frames`
    max_pixels: PositiveInt | None = None  # of a frame

    def identity(self) -> dict[str, Any]:
        """Return what a stage's identity holds of it."""
        return self.model_dump()

    def sample(self, video: Path | Segment, *, verified: bool = False) -> VideoFrames:
        """Decode the sampled frames of a file, or of a segment of it or of a folder of frames.

        Args:
            video: The file or the segment. Times count from the segment's start.
            verified: The file was checked before, as whatever a `VideoStage` locates was.

        Raises:
            UnreadableVideo: With a reason such as `missing`, `damaged` or `clip_outside`.
        """
        began = time.perf_counter()
        segment = Segment(video) if isinstance(video, Path) else video
        if segment.frames_fps is not None:
            folder = FrameFolder.open(segment.path, segment.frames_fps)
            start, times = self._times(segment, folder.duration_seconds)
            edge = self._max_edge(folder.height_px, folder.width_px)
            frames = folder.frames_at(times, edge)
        else:
            info = probe(segment.path)
            start, times = self._times(segment, info.duration_seconds)
            edge = self._max_edge(info.height_px, info.width_px)
            indices = [info.nearest(pts) for pts in times]
            frames = fetch_frames(segment.path, info, indices, edge, verified=verified)
        from_start = tuple(max(0.0, pts - start) for pts in frames.pts_seconds)
        return VideoFrames(frames.pixels, from_start, time.perf_counter() - began)

    def _times(self, segment: Segment, duration: float) -> tuple[float, tuple[float, ...]]:
        """Return the segment's start and the times to sample, from the video's start."""
        start, end = segment.clip_seconds or (0.0, duration)
        if start >= duration:
            raise UnreadableVideo(
                "clip_outside", f"expected {duration:.2f} s to reach {start:.2f} s: {segment.path}"
            )
        length = min(end, duration) - start
        count = self.frames
        if self.fps is not None:
            count = max(1, min(count, round(length * self.fps)))
        return start, tuple(start + midpoint for midpoint in interval_midpoints(length, count))

    def _max_edge(self, height_px: int, width_px: int) -> int | None:
        """Return the longest edge that both bounds allow; None if neither is set."""
        edges = [] if self.size_px is None else [self.size_px]
        if self.max_pixels is not None:
            shrink = min(1.0, math.sqrt(self.max_pixels / (height_px * width_px)))
            edges.append(max(1, math.floor(max(height_px, width_px) * shrink)))
        return min(edges, default=None)

    def resize(self, frames: np.ndarray) -> np.ndarray:
        """Resize rendered frames as if `sample` read them from a 4:2:0 file, without compression.

        Args:
            frames: (T, H, W, 3) uint8 RGB.

        Returns:
            (T, H', W', 3) uint8 RGB.
        """
        import av
        from av.video.reformatter import VideoReformatter

        height, width = frames.shape[1:3]
        longest = max(height, width)
        scale = min(1.0, (self._max_edge(height, width) or longest) / longest)
        size = {"height": round(height * scale), "width": round(width * scale)}
        encoder, decoder = VideoReformatter(), VideoReformatter()
        resized = []
        for pixels in frames:
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")
            frame = encoder.reformat(frame, format="yuv420p")
            frame = decoder.reformat(frame, **size, format="rgb24", interpolation="BICUBIC")
            resized.append(frame.to_ndarray())
        return np.stack(resized)
