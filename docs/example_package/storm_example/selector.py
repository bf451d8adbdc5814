"""A selector: the first and the last frame."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from storm.keyframes.base import Choice, SelectorConfig, make_keyframes
from storm.records import Keyframes


class EndsSelector:
    """Select the two ends of a video."""

    class Config(SelectorConfig):
        """The bounds `k` and `image_edge_px` come from `SelectorConfig`."""

        kind: Literal["ends"] = "ends"

        def build(self, device: str = "cpu") -> EndsSelector:
            """Return the selector; called once in each child process."""
            return EndsSelector(self)

    def __init__(self, config: Config):
        self.config = config

    def select(
        self, video_id: str, path: Path, *, verified: bool = False, questions: Sequence[str] = ()
    ) -> Keyframes:
        """Return the keyframes of one video; raises UnreadableVideo."""
        from storm.videos.decoding.decode import probe

        info = probe(path)
        last = len(info.pts_seconds) - 1
        choices = [Choice(0, "first", 1.0), Choice(last, "last", 1.0)][: self.config.k]
        edge = self.config.image_edge_px
        return make_keyframes(video_id, path, info, choices, edge, verified=verified)
