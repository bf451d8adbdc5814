"""The generator without a model: each keyframe is held, then fades into the next."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

import numpy as np
from pydantic import Field

from storm.records import Keyframes, Rejected
from storm.thought_videos.base import ClipFormat, GeneratedClip, GeneratorRequest, fit
from storm.videos.decoding.encode import unjpeg


class KeyframesGenerator:
    """Holds each keyframe, then fades into the next."""

    class Config(ClipFormat):
        """Settings of KeyframesGenerator."""

        kind: str = "keyframes"
        fade: float = Field(0.5, ge=0, le=1)  # share of the time between two keyframes; 0 cuts

        def build(self, device: str = "cpu") -> KeyframesGenerator:
            """Return the generator."""
            return KeyframesGenerator(self)

    def __init__(self, config: Config):
        self.config = config

    def generate(self, requests: Sequence[GeneratorRequest]) -> list[GeneratedClip | Rejected]:
        """Return one clip per request, from the first keyframe to the last in even time steps."""
        return [GeneratedClip(self._generate(r.keyframes), self.config.fps) for r in requests]

    def _generate(self, keyframes: Keyframes) -> np.ndarray:
        config = self.config
        images = [fit(unjpeg(data), config.height_px, config.width_px) for data in keyframes.images]
        times = keyframes.pts_seconds
        drawn = [
            self._at(float(time), times, images)
            for time in np.linspace(times[0], times[-1], config.frames)
        ]
        return np.stack(drawn)

    def _at(self, time: float, times: Sequence[float], images: list[np.ndarray]) -> np.ndarray:
        before = min(bisect_right(times, time), len(times)) - 1
        if before + 1 == len(times):
            return images[before]
        passed = (time - times[before]) / (times[before + 1] - times[before])  # [0, 1)
        fade = self.config.fade
        weight = max(0.0, (passed - (1 - fade)) / fade) if fade else 0.0
        mixed = images[before] * (1 - weight) + images[before + 1] * weight
        return np.rint(mixed).astype(np.uint8)
