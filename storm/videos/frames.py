"""Decoded frames of one video, the type that every reader returns and the student takes."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from storm.errors import DataError


@dataclass(frozen=True, eq=False, repr=False)
class VideoFrames:
    """Upright RGB frames of one video or of a segment of it.

    Attributes:
        pixels: (T, H, W, 3) uint8 RGB.
        pts_seconds: The time of each frame, from the start of the video or segment.
        decode_seconds: How long decoding took.

    Raises:
        DataError: If shapes or types don't fit together.
    """

    pixels: np.ndarray
    pts_seconds: tuple[float, ...]
    decode_seconds: float = 0.0

    def __post_init__(self) -> None:
        pixels, times = self.pixels, self.pts_seconds
        if pixels.ndim != 4 or pixels.shape[-1] != 3 or pixels.dtype != np.uint8:
            raise DataError(
                f"expected (T, H, W, 3) uint8 pixels, found {pixels.shape} {pixels.dtype}"
            )
        if len(times) != len(pixels) or not all(map(math.isfinite, times)):
            raise DataError(f"expected a time for each of {len(pixels)} frames, found {times}")

    def __len__(self) -> int:
        return len(self.pixels)

    def __repr__(self) -> str:
        span = f"{self.pts_seconds[0]:.3f} to {self.pts_seconds[-1]:.3f} s" if len(self) else "none"
        return f"VideoFrames({self.pixels.shape} uint8, {span})"
