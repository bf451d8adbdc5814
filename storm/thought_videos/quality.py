"""Quality gate between a generator and the store: names what is wrong with a clip."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from pydantic import Field

from storm.config import FrozenModel
from storm.thought_videos.base import GeneratedClip, GeneratorRequest, fit
from storm.videos.decoding.encode import unjpeg


@dataclass(frozen=True)
class Fault:
    """Why a clip is refused."""

    reason: str  # nan, wrong_length, wrong_shape, black, static or first_frame_unlike
    detail: str


class QualityGate(FrozenModel):
    """A threshold for each fault; None lets it pass. Brightness is on a scale of 0 to 255."""

    nan: bool = True  # refuse clips that were NaN or infinite anywhere
    frames: int | None = Field(default=None, ge=1)  # the length that is expected
    black: float | None = 4.0  # the brightest frame's mean must be above
    static: float | None = 0.05  # the mean change from a frame to the next must be above
    first_frame_unlike: float | None = 48.0  # mean distance to the first keyframe must be below

    def fault(self, clip: GeneratedClip, request: GeneratorRequest) -> Fault | None:
        """Return the first fault of a clip, or None."""
        frames = clip.frames
        if self.nan and clip.nan:
            detail = f"{clip.nan:.1%} of the values are NaN or infinite: try another dtype"
            return Fault("nan", detail)
        if frames.ndim != 4 or frames.shape[-1] != 3 or frames.dtype != np.uint8:
            return Fault(
                "wrong_shape",
                f"expected (T, H, W, 3) uint8 frames, found {frames.shape} {frames.dtype}",
            )
        if len(frames) == 0 or (self.frames is not None and len(frames) != self.frames):
            expected = "at least 1" if self.frames is None else self.frames
            return Fault("wrong_length", f"expected {expected} frames, found {len(frames)}")
        return self._black(frames) or self._static(frames) or self._unlike(frames, request)

    def _black(self, frames: np.ndarray) -> Fault | None:
        brightest = float(frames.mean(axis=(1, 2, 3)).max())
        if self.black is None or brightest > self.black:
            return None
        return Fault("black", f"brightest frame {brightest:.2f}, expected more than {self.black:g}")

    def _static(self, frames: np.ndarray) -> Fault | None:
        if self.static is None or len(frames) < 2:
            return None
        pairs = pairwise(frames)  # one at a time: memory stays flat
        change = float(np.mean([np.abs(b.astype(np.int16) - a).mean() for a, b in pairs]))
        if change > self.static:
            return None
        return Fault("static", f"mean change {change:.3f}, expected more than {self.static:g}")

    def _unlike(self, frames: np.ndarray, request: GeneratorRequest) -> Fault | None:
        if self.first_frame_unlike is None:
            return None
        height, width = frames.shape[1:3]
        expected = fit(unjpeg(request.keyframes.images[0]), height, width).astype(np.int16)
        distance = float(np.abs(expected - frames[0]).mean())
        if distance < self.first_frame_unlike:
            return None
        return Fault(
            "first_frame_unlike",
            f"distance {distance:.1f} to the first keyframe, "
            f"expected less than {self.first_frame_unlike:g}",
        )
