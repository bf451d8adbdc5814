"""Protocol of a generator, its configuration, its requests and its clips."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from pydantic import Field

from storm.config import ComponentConfig
from storm.records import Keyframes, Rejected, ThoughtPrompt

if TYPE_CHECKING:
    from PIL.Image import Image


@dataclass(frozen=True)
class GeneratorRequest:
    """One clip to generate."""

    prompt: ThoughtPrompt
    keyframes: Keyframes
    source: Path  # the input video
    seed: int  # of this sample


@dataclass(frozen=True)
class GeneratedClip:
    """A generated clip."""

    frames: np.ndarray[Any, np.dtype[np.uint8]]  # (T, H, W, 3) RGB
    fps: float
    nan: float = 0.0  # share of the values that were NaN or infinite before they became 8 bits

    @classmethod
    def from_floats(cls, video: np.ndarray[Any, np.dtype[Any]], fps: float) -> GeneratedClip:
        """Return a clip of (T, H, W, 3) floats in 0 to 1; what is not finite is counted, and black.

        One frame at a time: a clip of floats is large.
        """
        finite = np.isfinite(video)
        frames = [
            np.rint(np.clip(np.where(good, frame, 0), 0, 1) * 255).astype(np.uint8)
            for frame, good in zip(video, finite, strict=True)
        ]
        return cls(np.stack(frames), fps, 1 - float(finite.mean()))


class Generator(Protocol):
    """Draws thought videos."""

    def generate(self, requests: Sequence[GeneratorRequest]) -> Iterable[GeneratedClip | Rejected]:
        """Yield one clip or rejection per request, in order; equal clips for equal requests."""
        ...


class GeneratorConfig(ComponentConfig):
    """Configuration of a generator: every field is identity, unless `identity()` says otherwise."""

    @abstractmethod
    def build(self, device: str = "cpu") -> Generator:
        """Return the generator, with its model loaded on a device."""


class ClipFormat(GeneratorConfig):
    """Configuration of a generator whose clips all have one length and size."""

    frames: int = Field(16, ge=1)
    fps: float = Field(8.0, gt=0)
    height_px: int = Field(64, ge=16, multiple_of=2)  # H.264 wants even sizes
    width_px: int = Field(64, ge=16, multiple_of=2)


def fit(
    frame: np.ndarray[Any, np.dtype[np.uint8]], height_px: int, width_px: int
) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Return an (H, W, 3) frame scaled to cover a size, cropped around its middle."""
    from PIL import Image, ImageOps

    if frame.shape[:2] == (height_px, width_px):
        return frame
    image = ImageOps.fit(Image.fromarray(frame), (width_px, height_px), Image.Resampling.LANCZOS)
    return np.asarray(image)


def keyframe_image(request: GeneratorRequest, index: int, clip_format: ClipFormat) -> Image:
    """Return a keyframe as a PIL image of the clip's size."""
    from PIL import Image

    from storm.videos.decoding.encode import unjpeg

    frame = unjpeg(request.keyframes.images[index])
    return Image.fromarray(fit(frame, clip_format.height_px, clip_format.width_px))
