"""Selectors: what each one offers, and how its selection becomes a row."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Literal, Protocol, TypeVar

import numpy as np
from pydantic import Field

from storm.config import ComponentConfig
from storm.records import Keyframes

if TYPE_CHECKING:
    from storm.videos.decoding.probe import VideoInfo

KeyframeReason = Literal[
    "first",
    "shot",
    "motion_onset",
    "motion_peak",
    "motion_end",
    "rest",
    "coverage",
    "query",
    "last",
]


class Selector(Protocol):
    """Picks the frames of a video that a teacher (the prompt LLM) looks at."""

    def select(
        self, video_id: str, path: Path, *, verified: bool = False, questions: Sequence[str] = ()
    ) -> Keyframes:
        """Select frames of one video; the same bytes always give the same frames.

        Args:
            video_id: The row's id.
            path: The video file.
            verified: The file was checked before (see `storm.videos.decoding.decode`).
            questions: Those asked about the video, if the configuration `reads_questions`.

        Raises:
            UnreadableVideo: With a reason; the stage quarantines the video.
        """
        ...


class SelectorConfig(ComponentConfig):
    """Configuration of a selector: every field is identity, unless `identity()` says otherwise."""

    reads_questions: ClassVar[bool] = False

    k: int = Field(default=16, ge=1)  # frames at most
    image_edge_px: int = Field(default=512, ge=16)  # longest edge of a keyframe at most

    @abstractmethod
    def build(self, device: str = "cpu") -> Selector:
        """Return the selector, whose models are on `device`."""


@dataclass(frozen=True)
class Selection:
    """One selected frame and why."""

    index: int  # into the video's frames
    reason: KeyframeReason
    score: float  # 0 to 1


@dataclass(frozen=True)
class SelectedFrames:
    """What a selector found in one video.

    Attributes:
        selections: At most k, in any order.
        held: All frames of the video (`av.VideoFrame`) if they are still in memory, else empty.
        verified: Whether every frame of the file was decoded without an error.
    """

    selections: Sequence[Selection]
    held: Sequence[Any] = ()
    verified: bool = False


C = TypeVar("C", bound=SelectorConfig)


class FrameSelector(ABC, Generic[C]):
    """A selector that chooses indices of frames; rows and images are made here."""

    def __init__(self, config: C, device: str = "cpu"):
        self.config = config

    def select(
        self, video_id: str, path: Path, *, verified: bool = False, questions: Sequence[str] = ()
    ) -> Keyframes:
        """Implement `Selector.select`."""
        from storm.videos.decoding.probe import probe

        info = probe(path)
        selected = self.select_frames(path, info, verified=verified, questions=questions)
        return make_keyframes(
            video_id,
            path,
            info,
            selected.selections,
            self.config.image_edge_px,
            held=selected.held,
            verified=verified or selected.verified,
        )

    @abstractmethod
    def select_frames(
        self, path: Path, info: VideoInfo, *, verified: bool, questions: Sequence[str]
    ) -> SelectedFrames:
        """Choose frames of a probed video; the arguments are those of `select`."""


def fill_with_coverage(
    selections: Sequence[Selection], times: np.ndarray, k: int
) -> list[Selection]:
    """Add frames in the middle of the largest gaps until there are `k`.

    Args:
        selections: The frames selected so far.
        times: (T,) seconds of all frames.
        k: The number to reach; fewer if no frame is left between two selected ones.
    """
    filled = list(selections)
    span = max(float(times[-1] - times[0]), 1e-9)
    while len(filled) < k:
        chosen = [-1, *sorted(s.index for s in filled), len(times)]
        at = [float(times[min(max(i, 0), len(times) - 1)]) for i in chosen]
        gaps = [(at[n + 1] - at[n], -n) for n, (a, b) in enumerate(pairwise(chosen)) if b - a > 1]
        if not gaps:
            break
        gap, n = max(gaps)
        inside = np.arange(chosen[-n] + 1, chosen[1 - n])
        middle = int(inside[np.argmin(np.abs(times[inside] - (at[-n] + at[1 - n]) / 2))])
        filled.append(Selection(middle, "coverage", gap / span))
    return filled


def make_keyframes(
    video_id: str,
    path: Path,
    info: VideoInfo,
    selections: Sequence[Selection],
    edge_px: int,
    *,
    held: Sequence[Any] = (),
    verified: bool = False,
) -> Keyframes:
    """Return the row of `selections`, with images at most `edge_px` wide and high.

    Args:
        video_id: The row's id.
        path: The video file.
        info: What `probe` says about it.
        selections: The selected frames, in any order.
        edge_px: Longest edge of an image.
        held: All frames of the video (`av.VideoFrame`) if they are still in memory.
        verified: The file was checked before.
    """
    from storm.videos.decoding.decode import fetch_frames
    from storm.videos.decoding.encode import jpeg
    from storm.videos.decoding.readers import RGBConverter

    selections = sorted(selections, key=lambda s: s.index)
    indices = [s.index for s in selections]
    if held:
        convert = RGBConverter(info.geometry(edge_px))
        frames = [convert(held[i]) for i in indices]
    else:
        frames = list(fetch_frames(path, info, indices, edge_px, verified=verified).pixels)
    return Keyframes(
        id=video_id,
        pts_seconds=tuple(info.pts_seconds[i] for i in indices),
        reasons=tuple(s.reason for s in selections),
        scores=tuple(round(min(max(s.score, 0.0), 1.0), 4) for s in selections),
        images=tuple(jpeg(frame) for frame in frames),
        duration_seconds=info.duration_seconds,
    )
