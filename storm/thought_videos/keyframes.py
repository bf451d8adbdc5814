"""The generator without a model: each keyframe is held, then fades into the next."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from typing import Literal

import numpy as np
from pydantic import Field

from storm.records import Keyframes, Rejected
from storm.thought_videos.base import Canvas, Drawn, GeneratorRequest, fit
from storm.videos.decoding.encode import unjpeg


class KeyframesGenerator:
    class Config(Canvas):
        kind: Literal["keyframes"] = "keyframes"
        fade: float = Field(0.5, ge=0, le=1)  # share of the time between two keyframes; 0 cuts

        def build(self, device: str = "cpu") -> KeyframesGenerator:
            return KeyframesGenerator(self)

    def __init__(self, config: Config):
        self.config = config

    def draw(self, requests: Sequence[GeneratorRequest]) -> list[Drawn | Rejected]:
        """From the first keyframe to the last, evenly in the input's time."""
        return [Drawn(self._draw(r.keyframes), self.config.fps) for r in requests]

    def _draw(self, keyframes: Keyframes) -> np.ndarray:
        canvas = self.config
        images = [fit(unjpeg(data), canvas.height_px, canvas.width_px) for data in keyframes.images]
        times = keyframes.pts_seconds
        drawn = [
            self._at(float(time), times, images)
            for time in np.linspace(times[0], times[-1], canvas.frames)
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
