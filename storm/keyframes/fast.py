"""`motion` without decoding the video: the sizes of its packets say where it moves.

What differs from the frame before costs bytes, so packets grow with motion, and encoders put a
key frame at most cuts. Only the chosen frames are decoded, each from the key frame before it.
Blind to what compresses well (a slow fade, a ball on a plain ground), and to cameras that move.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from pydantic import Field

from storm.keyframes.base import Choice, SelectorConfig, fill_gaps, make_keyframes
from storm.keyframes.bursts import choose_bursts
from storm.keyframes.shots import Cut
from storm.records import Keyframes

if TYPE_CHECKING:
    from storm.videos.decoding.decode import VideoInfo

_HEADER_BYTES = 100  # of a packet: what it takes to say that nothing moved


class FastSelector:
    class Config(SelectorConfig):
        kind: Literal["fast"] = "fast"
        k: int = Field(default=16, ge=3)  # frames at most
        prominence: float = Field(default=0.15, gt=0, le=1)  # of the largest peak's
        smooth_seconds: float = Field(default=0.14, ge=0)  # of the packets' sizes

        def build(self, device: str = "cpu") -> FastSelector:
            return FastSelector(self)

    def __init__(self, config: Config):
        self.config = config

    def select(
        self, video_id: str, path: Path, *, verified: bool = False, questions: Sequence[str] = ()
    ) -> Keyframes:
        """Raises UnreadableVideo. A codec whose packets say nothing gets coverage alone."""
        from storm.videos.decoding.decode import probe

        info = probe(path)
        edge_px = self.config.image_edge_px
        return make_keyframes(video_id, path, info, self.choose(info), edge_px, verified=verified)

    def choose(self, info: VideoInfo) -> list[Choice]:
        """At most k choices in any order."""
        last, times = info.frames - 1, np.array(info.pts_seconds)
        choices = [Choice(0, "first", 1.0)]
        if last > 0:
            choices.append(Choice(last, "last", 1.0))
        if last > 1 and info.packet_bytes:
            sizes = np.maximum(np.array(info.packet_bytes, np.float64) - _HEADER_BYTES, 0)
            keys = np.searchsorted(info.ticks, info.key_ticks)
            usual = float(np.median(sizes))
            for key in keys:  # large by nature: it takes the size of what follows
                sizes[key] = sizes[key + 1] if key < last else usual
            choices += choose_bursts(
                sizes / max(usual, 1.0),
                times,
                [cut for cut in _cuts(keys.tolist()) if cut.index < last],
                self.config.k - 2,
                prominence=self.config.prominence,
                smooth_seconds=self.config.smooth_seconds,
            )
        return fill_gaps(choices, times, self.config.k)


def _cuts(keys: Sequence[int]) -> list[Cut]:
    """Key frames but those that come regularly: after a distance that is most keys' own."""
    gaps = np.diff(keys)
    if not len(gaps):
        return []
    usual, count = Counter(gaps.tolist()).most_common(1)[0]
    regular = usual if count > 1 and count >= len(gaps) / 2 else None
    return [Cut(key, 1.0) for key, gap in zip(keys[1:], gaps, strict=True) if gap != regular]
