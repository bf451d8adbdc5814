"""What the student sees of a video: the one rule for training, targets and inference."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from pydantic import BaseModel, ConfigDict, PositiveInt


class FrameSampling(BaseModel):
    """`frames` frames at the middles of equal intervals of time.

    A student trained with one rule and asked with another loses tens of points: every stage that
    shows the student a video uses this one.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    frames: PositiveInt = 18
    size_px: PositiveInt | None = None  # longest edge at most; None leaves the size

    def sample(self, path: Path, *, whole: bool = False) -> tuple[np.ndarray, tuple[float, ...]]:
        """Frames (T, H, W, 3) uint8 RGB and their times in seconds; raises UnreadableVideo.

        `whole`: the file was checked before, as whatever a `VideoStage` locates was.
        """
        from storm.videos.decode import decode_middles

        clip = decode_middles(path, self.frames, self.size_px, whole=whole)
        return clip.frames, clip.pts_seconds

    def resize(self, frames: np.ndarray) -> np.ndarray:
        """Frames (T, H, W, 3) uint8 that were drawn, as if they came from a 4:2:0 file by `sample`.

        The compression alone is missing.
        """
        import av
        from av.video.reformatter import VideoReformatter

        height, width = frames.shape[1:3]
        scale = min(1.0, (self.size_px or max(height, width)) / max(height, width))
        size = {"height": round(height * scale), "width": round(width * scale)}
        coded, shown = VideoReformatter(), VideoReformatter()
        resized = []
        for pixels in frames:
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")
            frame = coded.reformat(frame, format="yuv420p")
            frame = shown.reformat(frame, **size, format="rgb24", interpolation="BICUBIC")
            resized.append(frame.to_ndarray())
        return np.stack(resized)
