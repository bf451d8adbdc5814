"""What every generator takes and gives."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from storm.records import Keyframes, Rejected, ThoughtPrompt


@dataclass(frozen=True)
class GeneratorRequest:
    """One clip to draw."""

    prompt: ThoughtPrompt
    keyframes: Keyframes
    source: Path  # the input video
    seed: int  # of this sample


@dataclass(frozen=True)
class GeneratedClip:
    """A drawn clip."""

    frames: np.ndarray  # (T, H, W, 3) uint8 RGB
    fps: float
    nan: float = 0.0  # share of the values that were NaN or infinite before they became 8 bits

    @classmethod
    def from_floats(cls, video: np.ndarray, fps: float) -> GeneratedClip:
        """A clip of (T, H, W, 3) floats of 0 to 1; what is not finite is counted, and black."""
        finite = np.isfinite(video)
        frames = [  # one at a time: a clip of floats is large
            np.rint(np.clip(np.where(good, frame, 0), 0, 1) * 255).astype(np.uint8)
            for frame, good in zip(video, finite, strict=True)
        ]
        return cls(np.stack(frames), fps, 1 - float(finite.mean()))


class Generator(Protocol):
    """Draws thought videos."""

    def generate(self, requests: Sequence[GeneratorRequest]) -> Iterable[GeneratedClip | Rejected]:
        """One clip or rejection a request, in order; the same clip for the same request."""
        ...


class ClipFormat(BaseModel):
    """The length and size of the clips a generator draws."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    frames: int = Field(16, ge=1)
    fps: float = Field(8.0, gt=0)
    height_px: int = Field(64, ge=16, multiple_of=2)  # H.264 wants even sizes
    width_px: int = Field(64, ge=16, multiple_of=2)


def fit(frame: np.ndarray, height_px: int, width_px: int) -> np.ndarray:
    """(H, W, 3) uint8 scaled to cover a size, its middle kept: nothing is stretched."""
    from PIL import Image, ImageOps

    if frame.shape[:2] == (height_px, width_px):
        return frame
    image = ImageOps.fit(Image.fromarray(frame), (width_px, height_px), Image.Resampling.LANCZOS)
    return np.asarray(image)
