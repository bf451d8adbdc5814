"""Scenes by PySceneDetect's detectors: the middle frame of each, then coverage."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from pydantic import Field

from storm.errors import BackendMissing
from storm.keyframes.base import Choice, SelectorConfig, fill_gaps, make_keyframes
from storm.records import Keyframes

if TYPE_CHECKING:
    from storm.videos.decoding.decode import VideoInfo


class ScenesSelector:
    class Config(SelectorConfig):
        kind: Literal["scenes"] = "scenes"
        detector: Literal["adaptive", "content", "hash", "histogram", "threshold"] = "adaptive"
        detector_options: dict[str, float] = Field(default_factory=dict)  # PySceneDetect's own
        edge_px: int = Field(default=256, ge=32)  # longest edge that the detector sees

        def build(self, device: str = "cpu") -> ScenesSelector:
            return ScenesSelector(self)

    def __init__(self, config: Config):
        self.config = config

    def select(
        self, video_id: str, path: Path, *, verified: bool = False, questions: Sequence[str] = ()
    ) -> Keyframes:
        """Raises UnreadableVideo; BackendMissing without the package scenedetect."""
        from storm.videos.decoding.decode import probe

        info = probe(path)
        bounds = [0, *self.cuts(path, info), info.frames]
        scenes = sorted(pairwise(bounds), key=lambda scene: scene[0] - scene[1])
        choices = [
            Choice((a + b) // 2, "shot", (b - a) / info.frames) for a, b in scenes[: self.config.k]
        ]
        choices = fill_gaps(choices, np.array(info.pts_seconds), self.config.k)
        edge_px = self.config.image_edge_px  # every frame was decoded: now the file is known whole
        return make_keyframes(video_id, path, info, choices, edge_px, verified=True)

    def cuts(self, path: Path, info: VideoInfo) -> list[int]:
        """The first frame of each scene but the first, in order."""
        from storm.videos.decoding.decode import stream

        time_of, detector = self._detector()
        paint = _Bgr(self.config.edge_px)
        found, time = [], None
        for index, frame in enumerate(stream(path, info)):
            time = time_of(index, info.fps)
            found += detector.process_frame(time, paint(frame))
        found += detector.post_process(time)
        cuts = {min(max(cut.frame_num, 0), info.frames) for cut in found}
        return sorted(cuts - {0, info.frames})

    def _detector(self) -> tuple[Any, Any]:
        try:
            from scenedetect import FrameTimecode, detectors
        except ImportError:
            raise BackendMissing("scenedetect", "the selector `scenes`") from None
        name = f"{self.config.detector.capitalize()}Detector"
        return FrameTimecode, getattr(detectors, name)(**self.config.detector_options)


class _Bgr:
    """Small pictures in OpenCV's order of colours."""

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
