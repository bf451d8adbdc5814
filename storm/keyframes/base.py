"""What every selector offers, and how its choice becomes a row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from storm.records import KeyframeReason, Keyframes

if TYPE_CHECKING:
    from storm.videos.decoding.decode import VideoInfo


class Selector(Protocol):
    """Picks the frames of a video that a teacher looks at; the same bytes, the same frames."""

    def select(
        self, video_id: str, path: Path, *, verified: bool = False, questions: Sequence[str] = ()
    ) -> Keyframes:
        """Raises UnreadableVideo.

        `verified`: the file was checked before (see `fetch`). `questions` on the video are given
        to those whose `Config.reads_questions` is true.
        """
        ...


class SelectorConfig(BaseModel):
    """What every selector's configuration holds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    reads_questions: ClassVar[bool] = False

    k: int = Field(default=16, ge=1)  # frames at most
    image_edge_px: int = Field(default=512, ge=16)  # longest edge of a keyframe at most


@dataclass(frozen=True)
class Choice:
    """One chosen frame and why."""

    index: int  # into the frames that were looked at
    reason: KeyframeReason
    score: float  # 0 to 1


def fill_gaps(choices: list[Choice], times: np.ndarray, k: int) -> list[Choice]:
    """Adds coverage frames in the middle of the largest gaps until there are `k`.

    `times` (T,) in seconds. Stops early where no frame is left between two chosen ones.
    """
    choices = list(choices)
    span = max(float(times[-1] - times[0]), 1e-9)
    while len(choices) < k:
        chosen = [-1, *sorted(c.index for c in choices), len(times)]
        at = [float(times[min(max(i, 0), len(times) - 1)]) for i in chosen]
        gaps = [(at[n + 1] - at[n], -n) for n, (a, b) in enumerate(pairwise(chosen)) if b - a > 1]
        if not gaps:
            break
        gap, n = max(gaps)
        inside = np.arange(chosen[-n] + 1, chosen[1 - n])
        middle = int(inside[np.argmin(np.abs(times[inside] - (at[-n] + at[1 - n]) / 2))])
        choices.append(Choice(middle, "coverage", gap / span))
    return choices


def make_keyframes(
    video_id: str,
    path: Path,
    info: VideoInfo,
    choices: Sequence[Choice],
    edge_px: int,
    *,
    held: Sequence[Any] = (),
    verified: bool = False,
) -> Keyframes:
    """The row for `choices`, its images at most `edge_px` wide and high.

    `held` are all frames of the video as they were decoded, if they are still there.
    """
    from storm.videos.decoding.decode import fetch
    from storm.videos.decoding.encode import jpeg
    from storm.videos.decoding.readers import Painter

    choices = sorted(choices, key=lambda c: c.index)
    chosen = [c.index for c in choices]
    if held:
        paint = Painter(info.target(edge_px))
        frames = [paint(held[i]) for i in chosen]
    else:
        frames = list(fetch(path, info, chosen, edge_px, verified=verified).pixels)
    return Keyframes(
        id=video_id,
        pts_seconds=tuple(info.pts_seconds[i] for i in chosen),
        reasons=tuple(c.reason for c in choices),
        scores=tuple(round(min(max(c.score, 0.0), 1.0), 4) for c in choices),
        images=tuple(jpeg(frame) for frame in frames),
        duration_seconds=info.duration_seconds,
    )
