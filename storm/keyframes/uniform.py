"""The baseline: frames at the middles of equal intervals, whatever happens in them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from storm.keyframes.base import Choice, SelectorConfig, make_keyframes
from storm.records import Keyframes


class UniformSelector:
    class Config(SelectorConfig):
        kind: Literal["uniform"] = "uniform"

        def build(self, device: str = "cpu") -> UniformSelector:
            return UniformSelector(self)

    def __init__(self, config: Config):
        self.config = config

    def select(
        self, video_id: str, path: Path, *, verified: bool = False, questions: Sequence[str] = ()
    ) -> Keyframes:
        """Raises UnreadableVideo."""
        from storm.videos.decoding.decode import interval_middles, probe

        info, k = probe(path), self.config.k
        middles = interval_middles(info.duration_seconds, k)
        chosen = dict.fromkeys(info.nearest(t) for t in middles)  # fewer in a short clip
        choices = [Choice(i, "coverage", 1 / k) for i in chosen]
        return make_keyframes(
            video_id, path, info, choices, self.config.image_edge_px, verified=verified
        )
