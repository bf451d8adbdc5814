"""What every generator takes and gives."""

from __future__ import annotations

from collections.abc import Sequence
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
class Drawn:
    """A drawn clip."""

    frames: np.ndarray  # (T, H, W, 3) uint8 RGB
    fps: float


class Generator(Protocol):
    """Draws thought videos."""

    def draw(self, requests: Sequence[GeneratorRequest]) -> list[Drawn | Rejected]:
        """One clip or rejection a request, in order; the same clip for the same request."""
        ...


class Canvas(BaseModel):
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
