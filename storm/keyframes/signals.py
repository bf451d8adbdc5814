"""One pass over a video's frames: how much each one changes and moves.

Frames come one by one and leave a few numbers, a histogram and, in short clips, a small image:
memory doesn't grow with the resolution, and by about two hundred bytes a frame.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias, cast

import cv2
import numpy as np

_BINS = 16
_LEAST_PX = 64  # of either edge: OpenCV's flow reads past the ends of smaller pictures
Small: TypeAlias = (
    "tuple[np.ndarray, np.ndarray, np.ndarray]"  # Y (H, W), U and V (H / 2, W / 2), uint8
)


class Motion:
    """Flow and change of T frames that are added in order, the camera's own motion taken out.

    Attributes:
        flow: (T,) float32, speed of what moves: root mean square, edges a second.
        change: (T,) float32, difference from the frame before: root mean square, 0 to 255.
    """

    def __init__(self, times: Sequence[float], flow_hz: float):
        self.times, self.flow_hz = times, flow_hz
        self.flow, self.change = np.zeros((2, len(times)), np.float32)
        self._estimate = cv2.DISOpticalFlow.create(cv2.DISOpticalFlow_PRESET_ULTRAFAST)
        self._group: list[Small] = []  # since the last flow, whose target is the first
        self._frames = 0

    def add(self, picture: Small) -> None:
        """Compare the next frame with those before."""
        times, group = self.times, self._group
        group.append(picture)
        self._frames += 1
        start, index = self._frames - len(group), self._frames - 1
        seconds = times[index] - times[start]
        is_last = index == len(times) - 1
        if len(group) < 2 or (seconds < 0.999 / self.flow_hz and not is_last):
            return
        moved: Any = self._estimate.calc(group[0][0], picture[0], cast(Any, None))
        moved = moved[2::4, 2::4].reshape(-1, 2)  # (points, x and y): flow is smooth
        camera = np.median(moved, axis=0)
        speed = cv2.norm(moved - camera) / len(moved) ** 0.5 / max(picture[0].shape)
        self.flow[start + 1 : index + 1] = speed / max(seconds, 1e-3)
        for i in range(1, len(group)):
            step = (times[start + i] - times[start + i - 1]) / max(seconds, 1e-9)
            self.change[start + i] = _difference(group[i - 1], group[i], camera * step)
        self._group = [picture]


@dataclass(frozen=True)
class Signals:
    """Signals of T frames.

    Attributes:
        histograms: (T, 48) uint32, pixels for each level of Y, U and V.
        small: Small images of all frames, or empty if there were too many.
    """

    histograms: np.ndarray
    small: Sequence[Small]
    _motion: Motion

    @cached_property
    def motion(self) -> Motion:
        """Flow and change; of kept images they are measured when first asked for."""
        for picture in self.small:
            self._motion.add(picture)
        return self._motion


def measure(
    frames: Iterable[Any], times: Sequence[float], edge_px: int, flow_hz: float, keep: int
) -> Signals:
    """Measure every frame; the motion of kept images only when it is asked for.

    Args:
        frames: All `av.VideoFrame` in order.
        times: The seconds of each.
        edge_px: Longer edge at which they are compared.
        flow_hz: Optical flows a second at most.
        keep: Small images are kept if there are at most this many.
    """
    small: list[Small] = []
    histograms: list[np.ndarray] = []
    motion = Motion(times, flow_hz)
    for picture in _downscaled(frames, edge_px):
        if len(times) <= keep:
            small.append(picture)
        else:
            motion.add(picture)
        histograms.append(_histogram(picture))
    return Signals(np.array(histograms), small, motion)


def _downscaled(frames: Iterable[Any], edge_px: int) -> Iterator[Small]:
    from av.video.reformatter import VideoReformatter

    reformatter, size = VideoReformatter(), None
    for frame in frames:
        if size is None:
            scale = min(1.0, edge_px / max(frame.width, frame.height))
            size = [max(_LEAST_PX, 2 * round(e * scale / 2)) for e in (frame.width, frame.height)]
        shrunk = reformatter.reformat(
            frame, *size, format="yuv420p", interpolation="FAST_BILINEAR", threads=1
        )
        yield _planes(shrunk)


def _planes(frame: Any) -> Small:
    y, u, v = (
        np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)[: plane.height, : plane.width]
        for plane in frame.planes
    )
    return np.ascontiguousarray(y), np.ascontiguousarray(u), np.ascontiguousarray(v)


def _histogram(small: Small) -> np.ndarray:
    return np.concatenate(
        [cv2.calcHist([plane], [0], None, [_BINS], [0, 256]).reshape(-1) for plane in small]
    ).astype(np.uint32)


def _difference(before: Small, after: Small, shift: np.ndarray) -> float:
    """Return the root mean square over Y, U and V together, `shift` (x, y) taken out."""
    luma, *chroma = before
    x, y = float(shift[0]), float(shift[1])
    if max(abs(x), abs(y)) > 0.3:  # the chroma's own shift is half of it, and they are smooth
        matrix = np.array([[1, 0, x], [0, 1, y]], np.float32)
        luma = cv2.warpAffine(luma, matrix, luma.shape[::-1], borderMode=cv2.BORDER_REPLICATE)
    return (
        sum(
            cv2.norm(a, b, cv2.NORM_L2SQR) / a.size
            for a, b in zip((luma, *chroma), after, strict=True)
        )
        ** 0.5
    )
