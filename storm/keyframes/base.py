"""What every selector offers, and how its choice becomes a row."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from storm.records import KeyframeReason, Keyframes

if TYPE_CHECKING:
    from storm.videos.decode import Clip


class Selector(Protocol):
    """Picks the frames of a video that a teacher looks at; the same bytes, the same frames."""

    def select(self, video_id: str, path: Path) -> Keyframes:
        """Raises UnreadableVideo."""
        ...


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
        chosen = sorted(c.index for c in choices)
        gaps = [(float(times[b] - times[a]), -a, b) for a, b in pairwise(chosen) if b - a > 1]
        if not gaps:
            break
        gap, a, b = max(gaps)
        inside = np.arange(1 - a, b)
        middle = int(inside[np.argmin(np.abs(times[inside] - (times[-a] + times[b]) / 2))])
        choices.append(Choice(middle, "coverage", gap / span))
    return choices


def make_keyframes(
    video_id: str, images: Clip, choices: Iterable[Choice], pts_seconds: tuple[float, ...]
) -> Keyframes:
    """The row for `choices`; `images` holds either their frames alone, in order, or all frames.

    `pts_seconds` are the times that the choices' indices point into.
    """
    from storm.videos.encode import jpeg

    choices = sorted(choices, key=lambda c: c.index)
    if len(images.frames) == len(pts_seconds):
        frames = [images.frames[c.index] for c in choices]
    else:
        frames = list(images.frames)
    return Keyframes(
        id=video_id,
        pts_seconds=tuple(pts_seconds[c.index] for c in choices),
        reasons=tuple(c.reason for c in choices),
        scores=tuple(round(min(max(c.score, 0.0), 1.0), 4) for c in choices),
        images=tuple(jpeg(frame) for frame in frames),
        duration_seconds=images.duration_seconds,
    )
