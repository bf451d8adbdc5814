"""Motion without decoding the video: the sizes of its packets say where it moves.

What differs from the frame before costs bytes, so packets grow with motion, and encoders put a
key frame at most cuts. Only the selected frames are decoded, each from the key frame before it.
Misses what compresses well (a slow fade, a ball on a plain ground) and videos of moving cameras.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from pydantic import Field

from storm.keyframes.base import (
    FrameSelector,
    SelectedFrames,
    Selection,
    SelectorConfig,
    fill_with_coverage,
)
from storm.keyframes.event_frames import select_event_frames
from storm.keyframes.shots import Cut

if TYPE_CHECKING:
    from storm.videos.decoding.probe import VideoInfo

_HEADER_BYTES = 100  # of a packet: what it takes to say that nothing moved


class PacketSizeConfig(SelectorConfig):
    """Configuration of `PacketSizeSelector`."""

    kind: str = "packet_size"
    k: int = Field(default=16, ge=3)  # frames at most
    prominence: float = Field(default=0.15, gt=0, le=1)  # of the largest peak's
    smooth_seconds: float = Field(default=0.14, ge=0)  # of the packets' sizes

    def build(self, device: str = "cpu") -> PacketSizeSelector:
        """Return the selector."""
        return PacketSizeSelector(self)


class PacketSizeSelector(FrameSelector[PacketSizeConfig]):
    """Selects frames at peaks of the packets' sizes, and at irregular key frames."""

    Config = PacketSizeConfig

    def select_frames(
        self, path: Path, info: VideoInfo, *, verified: bool, questions: Sequence[str]
    ) -> SelectedFrames:
        """Choose frames; a codec whose packets say nothing gets only coverage."""
        return SelectedFrames(self.choose(info))

    def choose(self, info: VideoInfo) -> list[Selection]:
        """Return at most k selections in any order."""
        last, times = info.frames - 1, np.array(info.pts_seconds)
        selections = [Selection(0, "first", 1.0)]
        if last > 0:
            selections.append(Selection(last, "last", 1.0))
        if last > 1 and info.packet_bytes:
            sizes = np.maximum(np.array(info.packet_bytes, np.float64) - _HEADER_BYTES, 0)
            keys = np.searchsorted(info.ticks, [key.tick for key in info.keys])
            median = float(np.median(sizes))
            for key in keys:  # large by nature: it takes the size of what follows
                sizes[key] = sizes[key + 1] if key < last else median
            selections += select_event_frames(
                sizes / max(median, 1.0),
                times,
                [cut for cut in _cuts(keys.tolist()) if cut.index < last],
                self.config.k - 2,
                prominence=self.config.prominence,
                smooth_seconds=self.config.smooth_seconds,
            )
        return fill_with_coverage(selections, times, self.config.k)


def _cuts(keys: Sequence[int]) -> list[Cut]:
    """Return the key frames that don't come at the usual distance after the one before."""
    gaps = np.diff(keys)
    if not len(gaps):
        return []
    usual, count = Counter(gaps.tolist()).most_common(1)[0]
    regular = usual if count > 1 and count >= len(gaps) / 2 else None
    return [Cut(key, 1.0) for key, gap in zip(keys[1:], gaps, strict=True) if gap != regular]
