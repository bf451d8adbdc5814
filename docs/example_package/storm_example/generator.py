"""A generator: the keyframes as a slide show."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

import numpy as np

from storm.records import Rejected
from storm.thought_videos.base import ClipFormat, GeneratedClip, GeneratorRequest, fit
from storm.videos.decoding.encode import unjpeg


class SlideshowGenerator:
    """Show each keyframe for the same time."""

    class Config(ClipFormat):
        """Length and size of the clips come from `ClipFormat`."""

        kind: Literal["slideshow"] = "slideshow"
        brightness: float = 1.0

        def build(self, device: str = "cpu") -> SlideshowGenerator:
            """Return the generator; called once in each child process."""
            return SlideshowGenerator(self)

    def __init__(self, config: Config):
        self.config = config

    def generate(self, requests: Sequence[GeneratorRequest]) -> Iterator[GeneratedClip | Rejected]:
        """Yield one clip or rejection per request, in order."""
        config = self.config
        for request in requests:
            images = [
                fit(unjpeg(image), config.height_px, config.width_px)
                for image in request.keyframes.images
            ]
            order = np.arange(config.frames) * len(images) // config.frames
            frames = np.clip(np.stack([images[i] for i in order]) * config.brightness, 0, 255)
            yield GeneratedClip(frames.astype(np.uint8), config.fps)
