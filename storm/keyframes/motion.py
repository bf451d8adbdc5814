"""Motion events, whatever is filmed.

One decoding pass measures colors and change. If a clip keeps returning to a static reference, the
peaks of its distance from that reference are the events and the valleys are rests; otherwise the
peaks of change are the events, with onsets and ends. Selected are the first and the last frame,
cuts, the events by prominence, and coverage.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import Field

from storm.keyframes.base import (
    FrameSelector,
    SelectedFrames,
    Selection,
    SelectorConfig,
    fill_with_coverage,
)
from storm.keyframes.event_frames import select_event_frames, strongest
from storm.keyframes.peaks import find_peaks, smoothed
from storm.keyframes.shots import Cut, find_cuts
from storm.keyframes.signals import Signals, measure
from storm.keyframes.static_reference import distance_from_reference

if TYPE_CHECKING:
    from storm.videos.decoding.probe import VideoInfo

_HELD_BYTES = 512 * 2**20  # decoded frames kept; the images of a larger video are fetched again


class MotionConfig(SelectorConfig):
    """Configuration of `MotionSelector`."""

    kind: str = "motion"
    k: int = Field(default=16, ge=3)  # frames at most
    prominence: float = Field(default=0.15, gt=0, le=1)  # of the largest: distance from reference
    event_prominence: float = Field(default=0.04, gt=0, le=1)  # of the largest: change
    edge_px: int = Field(default=64, ge=32)  # longest edge at which frames are compared
    smooth_seconds: float = Field(default=0.14, ge=0)  # of change and distance
    reach: float = Field(default=0.1, gt=0, le=0.25)  # camera shift at most, of that edge
    rest_frames: int = Field(default=600, ge=4)  # longer clips are not searched for a reference

    def build(self, device: str = "cpu") -> MotionSelector:
        """Return the selector."""
        return MotionSelector(self)


class MotionSelector(FrameSelector[MotionConfig]):
    """Selects cuts, motion events and rests between them, then coverage."""

    Config = MotionConfig

    def select_frames(
        self, path: Path, info: VideoInfo, *, verified: bool, questions: Sequence[str]
    ) -> SelectedFrames:
        """Choose frames after one decoding pass."""
        signals, held = self.measure(path, info)
        selections = self.choose(signals, np.array(info.pts_seconds))
        return SelectedFrames(selections, held, verified=True)

    def measure(self, path: Path, info: VideoInfo) -> tuple[Signals, list[Any]]:
        """Decode the video once.

        Returns:
            The signals, and all frames (`av.VideoFrame`) or none if they are too large to hold.
        """
        from storm.videos.decoding.decode import decode_in_order

        config = self.config
        fits = info.frames * info.width_px * info.height_px * 3 <= _HELD_BYTES
        held: list[Any] = []

        def frames() -> Iterator[Any]:
            for frame in decode_in_order(path, info):
                if fits:
                    held.append(frame)
                yield frame

        return measure(frames(), info.frames, config.edge_px, config.rest_frames), held

    def choose(self, signals: Signals, times: np.ndarray) -> list[Selection]:
        """Return at most k selections in any order; `times` is (T,) seconds."""
        last, k = len(times) - 1, self.config.k
        selections = [Selection(0, "first", 1.0)]
        if last > 0:
            selections.append(Selection(last, "last", 1.0))
        if last > 1:
            cuts = [cut for cut in find_cuts(signals.histograms) if cut.index < last]
            distance = None
            if signals.small is not None and not cuts:
                distance = distance_from_reference(signals.small, self.config.reach)
            if distance is None:
                selections += self._events(signals, times, cuts, k - 2)
            else:
                selections += self._excursions(distance, times, k - 2)
        return fill_with_coverage(selections, times, k)

    def _excursions(self, distance: np.ndarray, times: np.ndarray, room: int) -> list[Selection]:
        """Select the peaks of the distance from the reference, and the deepest valleys between."""
        signal = smoothed(distance, times, self.config.smooth_seconds, box=True)
        taken = {0, len(times) - 1}
        peaks = strongest(find_peaks(signal), self.config.prominence, 0.0, taken)[:room]
        if not peaks:
            return []
        events = [
            Selection(p.index, "motion_peak", p.prominence / peaks[0].prominence) for p in peaks
        ]
        top, rests = float(signal.max()), []
        at = sorted(p.index for p in peaks)
        for a, b in pairwise(at):
            valley = a + int(signal[a : b + 1].argmin())
            if a < valley < b:
                depth = float(min(signal[a], signal[b]) - signal[valley])
                rests.append(Selection(valley, "rest", depth / top))
        rests.sort(key=lambda c: (-c.score, c.index))
        return events + rests[: room - len(events)]

    def _events(
        self, signals: Signals, times: np.ndarray, cuts: list[Cut], room: int
    ) -> list[Selection]:
        return select_event_frames(
            event_signal(signals.change, cuts),
            times,
            cuts,
            room,
            prominence=self.config.event_prominence,
            smooth_seconds=self.config.smooth_seconds,
        )


def event_signal(change: np.ndarray, cuts: Sequence[Cut]) -> np.ndarray:
    """Return (T,) change in units of its mean; flat over cuts."""
    signal = change.astype(np.float64)
    for cut in cuts:  # the frames around a cut say nothing of motion
        signal[cut.index] = signal[cut.index - 1]
    return signal / max(float(signal.mean()), 1e-6)
