"""The generator that draws nothing: frames of the input video, as a control."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from storm.errors import UnreadableVideo
from storm.records import Rejected
from storm.thought_videos.base import Canvas, Drawn, GeneratorRequest, fit
from storm.videos.decoding.sampling import FrameSampling


class SourceGenerator:
    class Config(Canvas):
        kind: Literal["source"] = "source"

        def build(self, device: str = "cpu") -> SourceGenerator:
            return SourceGenerator(self)

    def __init__(self, config: Config):
        self.config = config

    def draw(self, requests: Sequence[GeneratorRequest]) -> list[Drawn | Rejected]:
        """The frames at the middles of equal intervals of the input, cut to the canvas."""
        return [self._draw(request) for request in requests]

    def _draw(self, request: GeneratorRequest) -> Drawn | Rejected:
        canvas = self.config
        try:
            sampling = FrameSampling(frames=canvas.frames)
            seen, _ = sampling.sample(request.source, whole=True)
        except UnreadableVideo as error:
            return Rejected(id=request.prompt.id, reason=error.reason, detail=error.detail)
        frames = [fit(frame, canvas.height_px, canvas.width_px) for frame in seen]
        return Drawn(np.stack(frames), canvas.fps)
