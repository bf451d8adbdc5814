"""Scenes found by PySceneDetect: the middle frame of each, then coverage."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from pydantic import Field

from storm.errors import BackendMissing
from storm.keyframes.base import (
    FrameSelector,
    SelectedFrames,
    Selection,
    SelectorConfig,
    fill_with_coverage,
)

if TYPE_CHECKING:
    from storm.videos.decoding.probe import VideoInfo


class ScenesConfig(SelectorConfig):
    """Configuration of `ScenesSelector`."""

    kind: str = "scenes"
    detector: Literal["adaptive", "content", "hash", "histogram", "threshold"] = "adaptive"
    detector_options: dict[str, float] = Field(default_factory=dict)  # PySceneDetect's own
    edge_px: int = Field(default=256, ge=32)  # longest edge that the detector sees

    def build(self, device: str = "cpu") -> ScenesSelector:
        """Return the selector."""
        return ScenesSelector(self)


class ScenesSelector(FrameSelector[ScenesConfig]):
    """Selects the middle frames of the longest scenes."""

    Config = ScenesConfig

    def select_frames(
        self, path: Path, info: VideoInfo, *, verified: bool, questions: Sequence[str]
    ) -> SelectedFrames:
        """Choose frames; raises BackendMissing without the package scenedetect."""
        bounds = [0, *self.cuts(path, info), info.frames]
        scenes = sorted(pairwise(bounds), key=lambda scene: scene[0] - scene[1])
        k = self.config.k
        middles = [Selection((a + b) // 2, "shot", (b - a) / info.frames) for a, b in scenes[:k]]
        selections = fill_with_coverage(middles, np.array(info.pts_seconds), k)
        return SelectedFrames(selections, verified=True)

    def cuts(self, path: Path, info: VideoInfo) -> list[int]:
        """Return the first frame of each scene but the first, in order."""
        from storm.videos.decoding.decode import decode_in_order

        time_of, detector = self._detector()
        to_bgr = _BGRConverter(self.config.edge_px)
        cuts, time = [], None
        for index, frame in enumerate(decode_in_order(path, info)):
            time = time_of(index, info.fps)
            cuts += detector.process_frame(time, to_bgr(frame))
        cuts += detector.post_process(time)
        indices = {min(max(cut.frame_num, 0), info.frames) for cut in cuts}
        return sorted(indices - {0, info.frames})

    def _detector(self) -> tuple[Any, Any]:
        try:
            from scenedetect import FrameTimecode, detectors
        except ImportError:
            raise BackendMissing("scenedetect", "the selector `scenes`") from None
        name = f"{self.config.detector.capitalize()}Detector"
        return FrameTimecode, getattr(detectors, name)(**self.config.detector_options)


class _BGRConverter:
    """Converts frames to small images in OpenCV's channel order."""

    def __init__(self, edge_px: int):
        from av.video.reformatter import VideoReformatter

        self._edge_px, self._reformatter = edge_px, VideoReformatter()

    def __call__(self, frame: Any) -> np.ndarray:
        scale = min(1.0, self._edge_px / max(frame.width, frame.height))
        width, height = (max(1, round(edge * scale)) for edge in (frame.width, frame.height))
        small = self._reformatter.reformat(
            frame, width, height, format="bgr24", interpolation="AREA", threads=1
        )
        return small.to_ndarray()
