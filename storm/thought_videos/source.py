"""The generator that draws nothing: frames of the input video, as a control."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from storm.errors import UnreadableVideo
from storm.records import Rejected
from storm.thought_videos.base import ClipFormat, GeneratedClip, GeneratorRequest, fit
from storm.videos.decoding.sampling import FrameSampling


class SourceGenerator:
    """Returns frames of the input video."""

    class Config(ClipFormat):
        """Settings of SourceGenerator."""

        kind: str = "source"

        def build(self, device: str = "cpu") -> SourceGenerator:
            """Return the generator."""
            return SourceGenerator(self)

    def __init__(self, config: Config):
        self.config = config

    def generate(self, requests: Sequence[GeneratorRequest]) -> list[GeneratedClip | Rejected]:
        """Return the frames at the middles of equal intervals of the input, cropped to size."""
        return [self._generate(request) for request in requests]

    def _generate(self, request: GeneratorRequest) -> GeneratedClip | Rejected:
        config = self.config
        try:
            sampling = FrameSampling(frames=config.frames)
            source = sampling.sample(request.source, verified=True)
        except UnreadableVideo as error:
            return Rejected(id=request.prompt.id, reason=error.reason, detail=error.detail)
        frames = [fit(frame, config.height_px, config.width_px) for frame in source.pixels]
        return GeneratedClip(np.stack(frames), config.fps)
