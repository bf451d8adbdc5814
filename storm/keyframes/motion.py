"""The general selector of motion events: it knows nothing of what is filmed.

One decoding pass measures the picture's change, the optical flow and the colours of each frame.
A clip that returns to a state of rest is told by its distance from it, whose peaks are the events
and whose valleys are the rests; any other by its change and flow, with the events' onset and end.
Chosen are the first and the last frame, cuts, the events by prominence, and coverage.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from pydantic import Field

from storm.keyframes.base import Choice, SelectorConfig, fill_gaps, make_keyframes
from storm.keyframes.bursts import choose_bursts, strongest
from storm.keyframes.peaks import find_peaks, smoothed
from storm.keyframes.registration import distance_from_rest
from storm.keyframes.shots import Cut, find_cuts
from storm.keyframes.signals import Signals, measure
from storm.records import Keyframes

if TYPE_CHECKING:
    from storm.videos.decoding.decode import VideoInfo

_FLOW = 0.15  # weight of flow beside change
_HELD_BYTES = 512 * 2**20  # decoded frames kept; the images of a larger video are fetched again


class MotionSelector:
    class Config(SelectorConfig):
        kind: Literal["motion"] = "motion"
        k: int = Field(default=16, ge=3)  # frames at most
        prominence: float = Field(default=0.15, gt=0, le=1)  # of the largest: distance from rest
        burst_prominence: float = Field(default=0.04, gt=0, le=1)  # of the largest: change, flow
        edge_px: int = Field(default=128, ge=64)  # longest edge at which motion is measured
        flow_hz: float = Field(default=8.0, gt=0)  # optical flows a second at most
        smooth_seconds: float = Field(default=0.14, ge=0)  # of change and flow
        rest_edge_px: int = Field(default=64, ge=32)  # edge for the distance from a rest state
        reach: float = Field(default=0.1, gt=0, le=0.25)  # camera shift at most, of that edge
        rest_frames: int = Field(default=600, ge=4)  # no rest state is looked for in longer clips

        def build(self, device: str = "cpu") -> MotionSelector:
            return MotionSelector(self)

    def __init__(self, config: Config):
        self.config = config

    def select(
        self, video_id: str, path: Path, *, verified: bool = False, questions: Sequence[str] = ()
    ) -> Keyframes:
        """Raises UnreadableVideo."""
        from storm.videos.decoding.decode import probe

        info = probe(path)
        signals, held = self.look(path, info)
        choices = self.choose(signals, np.array(info.pts_seconds))
        edge_px = self.config.image_edge_px  # every frame was decoded: now the file is known whole
        return make_keyframes(video_id, path, info, choices, edge_px, held=held, verified=True)

    def look(self, path: Path, info: VideoInfo) -> tuple[Signals, list[Any]]:
        """The one decoding pass; also all its frames, or none if they are too large to hold."""
        from storm.videos.decoding.decode import stream

        config = self.config
        fits = info.frames * info.width_px * info.height_px * 3 <= _HELD_BYTES
        held: list[Any] = []

        def frames() -> Iterator[Any]:
            for frame in stream(path, info):
                if fits:
                    held.append(frame)
                yield frame

        times = info.pts_seconds
        found = measure(frames(), times, config.edge_px, config.flow_hz, config.rest_frames)
        return found, held

    def choose(self, signals: Signals, times: np.ndarray) -> list[Choice]:
        """`times` (T,) seconds; at most k choices in any order."""
        last, k = len(times) - 1, self.config.k
        choices = [Choice(0, "first", 1.0)]
        if last > 0:
            choices.append(Choice(last, "last", 1.0))
        if last > 1:
            cuts = [cut for cut in find_cuts(signals.histograms) if cut.index < last]
            distance = None if cuts else self._distance(signals.small)
            if distance is None:
                choices += self._bursts(signals, times, cuts, k - 2)
            else:
                choices += self._excursions(distance, times, k - 2)
        return fill_gaps(choices, times, k)

    def _distance(self, small: Sequence[Any]) -> np.ndarray | None:
        config = self.config
        return distance_from_rest(small, config.rest_edge_px, config.reach) if small else None

    def _excursions(self, distance: np.ndarray, times: np.ndarray, room: int) -> list[Choice]:
        """The peaks of the distance from rest, and the deepest valleys between them."""
        signal = smoothed(distance, times, self.config.smooth_seconds, box=True)
        taken = {0, len(times) - 1}
        peaks = strongest(find_peaks(signal), self.config.prominence, 0.0, taken)[:room]
        if not peaks:
            return []
        events = [Choice(p.index, "motion_peak", p.prominence / peaks[0].prominence) for p in peaks]
        top, rests = float(signal.max()), []
        at = sorted(p.index for p in peaks)
        for a, b in pairwise(at):
            valley = a + int(signal[a : b + 1].argmin())
            if a < valley < b:
                depth = float(min(signal[a], signal[b]) - signal[valley])
                rests.append(Choice(valley, "rest", depth / top))
        rests.sort(key=lambda c: (-c.score, c.index))
        return events + rests[: room - len(events)]

    def _bursts(
        self, signals: Signals, times: np.ndarray, cuts: list[Cut], room: int
    ) -> list[Choice]:
        return choose_bursts(
            burst_signal(signals, cuts),
            times,
            cuts,
            room,
            prominence=self.config.burst_prominence,
            smooth_seconds=self.config.smooth_seconds,
        )


def burst_signal(signals: Signals, cuts: Sequence[Cut]) -> np.ndarray:
    """(T,) change and a little flow, each in units of its mean over the clip; flat over cuts.

    Change is known for each frame, so it says when; flow, a few times a second, says how fast.
    """
    total = np.zeros(len(signals.change))
    for weight, values in ((1.0, signals.change), (_FLOW, signals.flow)):
        values = values.astype(np.float64)
        for cut in cuts:  # the frames around a cut say nothing of motion
            values[cut.index] = values[cut.index - 1]
        total += weight * values / max(float(values.mean()), 1e-6)
    return total
