"""The general selector of motion events: it knows nothing of what is filmed.

An event is a peak of the difference from the shot's rest state (from the frame before, where a
shot has no rest state) after the camera's motion is taken out. Chosen are the first and the last
frame, the first of each shot, the events' peaks by prominence, the deepest rests between them,
and coverage.
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from storm.keyframes.base import Choice, fill_gaps, make_keyframes
from storm.keyframes.registration import change_between_frames, register_to_rest
from storm.keyframes.shots import find_cuts
from storm.records import Keyframes

_MEMORY_BYTES = 256 * 2**20  # a clip whose frames take more is decoded small first


class MotionSelector:
    class Config(BaseModel):
        model_config = ConfigDict(frozen=True, extra="forbid")

        kind: Literal["motion"] = "motion"
        k: int = Field(default=16, ge=3)  # frames at most
        prominence: float = Field(default=0.15, gt=0, le=1)  # of the largest peak's
        edge_px: int = Field(default=64, ge=32)  # longest edge at which motion is measured
        reach: float = Field(default=0.1, gt=0, le=0.25)  # camera shift at most, of that edge
        smooth_seconds: float = Field(default=0.1, ge=0)  # of the signal
        max_frames: int = Field(default=600, ge=16)  # measured at most, evenly in time
        image_edge_px: int = Field(default=512, ge=16)  # longest edge of a keyframe at most

        def build(self, device: str = "cpu") -> MotionSelector:
            return MotionSelector(self)

    def __init__(self, config: Config):
        self.config = config

    def select(self, video_id: str, path: Path) -> Keyframes:
        """Raises UnreadableVideo."""
        from storm.videos.decode import decode_all, decode_at, interval_middles, probe

        config = self.config
        info = probe(path)
        scale = min(1.0, config.image_edge_px / max(info.width_px, info.height_px))
        pixels = info.width_px * info.height_px * scale**2
        if info.frames <= config.max_frames and info.frames * pixels * 3 <= _MEMORY_BYTES:
            clip = decode_all(path, config.image_edge_px)
            choices = self.choose(clip.frames, np.array(clip.pts_seconds))
            return make_keyframes(video_id, clip, choices, clip.pts_seconds)
        if info.frames <= config.max_frames:
            small = decode_all(path, config.edge_px)
        else:
            times = interval_middles(info.duration_seconds, config.max_frames)
            small = decode_at(path, times, config.edge_px)
        choices = sorted(
            self.choose(small.frames, np.array(small.pts_seconds)), key=lambda c: c.index
        )
        times = [small.pts_seconds[c.index] for c in choices]
        images = decode_at(path, times, config.image_edge_px)
        return make_keyframes(video_id, images, choices, small.pts_seconds)

    def choose(self, frames: np.ndarray, times: np.ndarray) -> list[Choice]:
        """`frames` (T, H, W, 3) uint8, `times` (T,) seconds; at most k choices in any order."""
        last, k = len(frames) - 1, self.config.k
        choices = [Choice(0, "first", 1.0)]
        if last > 0:
            choices.append(Choice(last, "last", 1.0))
        if last > 1:
            small = _shrink(frames, self.config.edge_px)
            cuts = [cut for cut in find_cuts(small) if cut[0] < last]
            strongest = sorted(cuts, key=lambda cut: (-cut[1], cut[0]))[: (k - 2) // 2]
            choices += [Choice(index, "shot", strength) for index, strength in strongest]
            bounds = [0, *(index for index, _ in cuts), last + 1]
            signal = np.concatenate(
                [motion_signal(small[a:b], times[a:b], self.config) for a, b in pairwise(bounds)]
            )
            choices += self._events(signal, set(bounds) | {last}, k - len(choices))
        return fill_gaps(choices, times, k)

    def _events(self, signal: np.ndarray, taken: set[int], room: int) -> list[Choice]:
        """At most `room` peaks and the rests between them, none of them at a `taken` index."""
        found = [p for p in find_peaks(signal) if p[0] not in taken]
        largest = max((prominence for _, prominence in found), default=0.0)
        if largest <= 0:
            return []
        found = [p for p in found if p[1] >= self.config.prominence * largest]
        strongest = sorted(found, key=lambda p: (-p[1], p[0]))[:room]
        peaks = sorted(index for index, _ in strongest)
        events = [Choice(index, "motion_peak", p / largest) for index, p in strongest]

        top = float(signal.max())
        rests = []
        for a, b in pairwise(peaks):
            valley = a + int(signal[a : b + 1].argmin())
            if a < valley < b and valley not in taken:
                depth = float(min(signal[a], signal[b]) - signal[valley])
                rests.append(Choice(valley, "rest", depth / top))
        rests.sort(key=lambda c: (-c.score, c.index))
        return events + rests[: room - len(events)]


def motion_signal(
    small: np.ndarray, times: np.ndarray, config: MotionSelector.Config
) -> np.ndarray:
    """(T,) how far each frame of one shot is from rest; how much it changes if there is no rest.

    `small` (T, H, W, 3) uint8. Zeros for a shot of less than four frames.
    """
    if len(small) < 4:
        return np.zeros(len(small), np.float32)
    reach_px = max(2, round(config.reach * min(small.shape[1:3])))
    signal = register_to_rest(small, reach_px).difference
    near_rest = float(np.mean(signal < 0.35 * signal.max()))
    if near_rest < 0.15:
        signal = change_between_frames(small, max(2, reach_px // 2))
    seconds_per_frame = float(times[-1] - times[0]) / (len(times) - 1)
    width = int(config.smooth_seconds / max(seconds_per_frame, 1e-6))
    if width > 1:
        width += 1 - width % 2
        padded = np.pad(signal, width // 2, mode="edge")
        signal = np.convolve(padded, np.full(width, 1 / width), "valid")
    return signal


def _shrink(frames: np.ndarray, edge_px: int) -> np.ndarray:
    import cv2

    height, width = frames.shape[1:3]
    scale = edge_px / max(height, width)
    if scale >= 1:
        return frames
    size = (max(16, round(width * scale)), max(16, round(height * scale)))
    return np.stack([cv2.resize(f, size, interpolation=cv2.INTER_AREA) for f in frames])


def find_peaks(signal: np.ndarray) -> list[tuple[int, float]]:
    """Local maxima (the middle of a flat one) and their prominence, in order.

    Prominence: how far one must descend before climbing higher, on the side where less.
    """
    peaks = []
    i, n = 0, len(signal)
    while i < n:
        j = i
        while j + 1 < n and signal[j + 1] == signal[i]:
            j += 1
        if (i == 0 or signal[i - 1] < signal[i]) and (j == n - 1 or signal[j + 1] < signal[i]):
            height = signal[i]
            higher_left = np.flatnonzero(signal[:i] > height)
            higher_right = np.flatnonzero(signal[j + 1 :] > height)
            left = signal[(higher_left[-1] if len(higher_left) else 0) : i + 1].min()
            right_end = j + 1 + higher_right[0] if len(higher_right) else n
            right = signal[j:right_end].min()
            peaks.append(((i + j) // 2, float(height - max(left, right))))
        i = j + 1
    return peaks
