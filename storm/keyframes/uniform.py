"""The baseline: frames at the middles of equal intervals, whatever happens in them."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from storm.keyframes.base import Choice, make_keyframes
from storm.records import Keyframes


class UniformSelector:
    class Config(BaseModel):
        model_config = ConfigDict(frozen=True, extra="forbid")

        kind: Literal["uniform"] = "uniform"
        k: int = Field(default=16, ge=1)
        image_edge_px: int = Field(default=512, ge=16)  # longest edge of a keyframe at most

        def build(self, device: str = "cpu") -> UniformSelector:
            return UniformSelector(self)

    def __init__(self, config: Config):
        self.config = config

    def select(self, video_id: str, path: Path) -> Keyframes:
        """Raises UnreadableVideo."""
        from storm.videos.decode import decode_at, interval_middles, probe

        times = interval_middles(probe(path).duration_seconds, self.config.k)
        clip = decode_at(path, times, self.config.image_edge_px)
        distinct = dict.fromkeys(clip.pts_seconds)  # a short clip has fewer frames than k
        firsts = [clip.pts_seconds.index(t) for t in distinct]
        choices = [Choice(i, "coverage", 1 / self.config.k) for i in firsts]
        return make_keyframes(video_id, clip, choices, clip.pts_seconds)
