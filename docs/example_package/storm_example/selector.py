"""A selector: the first and the last frame."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from storm.keyframes import FrameSelector, SelectedFrames, Selection, SelectorConfig

if TYPE_CHECKING:
    from storm.videos.decoding.probe import VideoInfo


class EndsConfig(SelectorConfig):
    """The bounds `k` and `image_edge_px` come from `SelectorConfig`."""

    kind: str = "ends"

    def build(self, device: str = "cpu") -> EndsSelector:
        """Return the selector; called in child processes only."""
        return EndsSelector(self)


class EndsSelector(FrameSelector[EndsConfig]):
    """Select the two ends of a video."""

    Config = EndsConfig

    def select_frames(
        self, path: Path, info: VideoInfo, *, verified: bool, questions: Sequence[str]
    ) -> SelectedFrames:
        """Return the indices of the frames, with a reason and a score of each."""
        ends = [Selection(0, "first", 1.0), Selection(info.frames - 1, "last", 1.0)]
        return SelectedFrames(ends[: self.config.k])
