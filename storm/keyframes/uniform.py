"""Uniform frames, the baseline: midpoints of equal intervals, whatever happens in them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from storm.keyframes.base import FrameSelector, SelectedFrames, Selection, SelectorConfig

if TYPE_CHECKING:
    from storm.videos.decoding.probe import VideoInfo


class UniformConfig(SelectorConfig):
    """Configuration of `UniformSelector`."""

    kind: str = "uniform"

    def build(self, device: str = "cpu") -> UniformSelector:
        """Return the selector."""
        return UniformSelector(self)


class UniformSelector(FrameSelector[UniformConfig]):
    """Selects one frame of each of k equal intervals; fewer in a clip with fewer frames."""

    Config = UniformConfig

    def select_frames(
        self, path: Path, info: VideoInfo, *, verified: bool, questions: Sequence[str]
    ) -> SelectedFrames:
        """Choose the frames nearest to the midpoints."""
        from storm.videos.decoding.decode import interval_midpoints

        k = self.config.k
        midpoints = interval_midpoints(info.duration_seconds, k)
        indices = dict.fromkeys(info.nearest(t) for t in midpoints)
        return SelectedFrames([Selection(i, "coverage", 1 / k) for i in indices])
