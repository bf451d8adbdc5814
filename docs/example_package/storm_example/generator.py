"""A generator: the keyframes as a slide show."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from storm.thought_videos import (
    ClipFormat,
    GeneratedClip,
    GeneratorRequest,
    Rejected,
    keyframe_image,
)


class SlideshowGenerator:
    """Show each keyframe for the same time."""

    class Config(ClipFormat):
        """Length and size of the clips come from `ClipFormat`."""

        kind: str = "slideshow"
        brightness: float = 1.0

        def build(self, device: str = "cpu") -> SlideshowGenerator:
            """Return the generator; called in child processes only."""
            return SlideshowGenerator(self)

    def __init__(self, config: Config):
        self.config = config

    def generate(self, requests: Sequence[GeneratorRequest]) -> Iterator[GeneratedClip | Rejected]:
        """Yield one clip or rejection per request, in order."""
        config = self.config
        for request in requests:
            count = len(request.keyframes.images)
            images = [np.asarray(keyframe_image(request, i, config)) for i in range(count)]
            order = np.arange(config.frames) * count // config.frames
            frames = np.clip(np.stack([images[i] for i in order]) * config.brightness, 0, 255)
            yield GeneratedClip(frames.astype(np.uint8), config.fps)
