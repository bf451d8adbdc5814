"""One pass over a video's frames: how much each one changes, and its colors.

Frames come one by one and leave a few numbers, a histogram and, in short clips, a small image:
memory doesn't grow with the resolution, and by about two hundred bytes a frame.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

import cv2
import numpy as np

_LEVELS = 16  # of each plane's histogram
_LEAST_PX = 16  # of either edge
_STACK = 16  # frames that are compared at once: they fit into a processor's cache
Planes: TypeAlias = (
    "tuple[np.ndarray, np.ndarray, np.ndarray]"  # Y (T, H, W), U and V (T, H / 2, W / 2), uint8
)


@dataclass(frozen=True)
class Signals:
    """Signals of T frames.

    Attributes:
        change: (T,) float32, difference from the frame before, the camera's own shift taken out:
            root mean square, 0 to 255.
        histograms: (T, 48) uint32, pixels for each level of Y, U and V.
        small: Small images of all frames; None if there were too many.
    """

    change: np.ndarray
    histograms: np.ndarray
    small: Planes | None


def measure(frames: Iterable[Any], count: int, edge_px: int, keep: int) -> Signals:
    """Measure every frame.

    Args:
        frames: All `av.VideoFrame` in order.
        count: How many they are.
        edge_px: Longer edge at which they are compared.
        keep: Small images are kept if there are at most this many.
    """
    histograms: list[np.ndarray] = []
    change = [np.zeros(1, np.float32)]
    kept: list[Planes] = []
    last: Planes | None = None  # frame of the stack before
    for stack in _stacks(frames, edge_px):
        histograms += _histograms(stack)
        change.append(_change(stack if last is None else _join([last, stack])))
        last = _stack_of(plane[-1:] for plane in stack)
        if count <= keep:
            kept.append(stack)
    small = _join(kept) if kept else None
    return Signals(np.concatenate(change), np.array(histograms, np.uint32), small)


def _stack_of(planes: Iterable[np.ndarray]) -> Planes:
    y, u, v = planes
    return y, u, v


def _join(stacks: Iterable[Planes]) -> Planes:
    return _stack_of(map(np.concatenate, zip(*stacks, strict=True)))


def _stacks(frames: Iterable[Any], edge_px: int) -> Iterator[Planes]:
    """Scale frames down; yield some at a time."""
    from av.video.reformatter import VideoReformatter

    reformatter = VideoReformatter()
    stack: list[Planes] = []
    width = height = 0
    for frame in frames:
        if not width:
            scale = min(1.0, edge_px / max(frame.width, frame.height)) / 2
            edges = frame.width, frame.height
            width, height = (max(_LEAST_PX, 2 * round(edge * scale)) for edge in edges)
        if frame.format.name not in ("yuv420p", "yuvj420p"):
            frame = reformatter.reformat(frame, format="yuv420p")
        y, u, v = map(_pixels, frame.planes)
        half = width // 2, height // 2
        stack.append((_shrink(y, width, height), _shrink(u, *half), _shrink(v, *half)))
        if len(stack) == _STACK:
            yield _stack_of(map(np.stack, zip(*stack, strict=True)))
            stack = []
    if stack:
        yield _stack_of(map(np.stack, zip(*stack, strict=True)))


def _pixels(plane: Any) -> np.ndarray:
    rows = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)
    return rows[: plane.height, : plane.width]


def _shrink(plane: np.ndarray, width: int, height: int) -> np.ndarray:
    """Average 2 x 2 pixels as long as three or more become one, against noise; interpolate."""
    while plane.shape[0] >= 3 * height and plane.shape[1] >= 3 * width:
        half = plane.shape[1] // 2, plane.shape[0] // 2
        plane = cv2.resize(plane, half, interpolation=cv2.INTER_AREA)
    return cv2.resize(plane, (width, height), interpolation=cv2.INTER_LINEAR)


def _histograms(stack: Planes) -> list[np.ndarray]:
    """Return (48,) counts of each frame; one call a frame counts all planes."""
    levels = [(plane >> 4) + np.uint8(_LEVELS * i) for i, plane in enumerate(stack)]
    flat = np.concatenate([plane.reshape(len(plane), -1) for plane in levels], axis=1)
    bins = len(stack) * _LEVELS
    return [cv2.calcHist([row], [0], None, [bins], [0, bins]).reshape(-1) for row in flat]


def _change(stack: Planes) -> np.ndarray:
    """Return (T - 1,) root mean squares over Y, U and V together."""
    luma, *chroma = (plane.astype(np.float32) for plane in stack)
    squares = _residual(luma[:-1], luma[1:])
    for plane in chroma:
        difference = plane[1:] - plane[:-1]
        squares = squares + _dot(difference, difference) / difference[0].size
    return np.sqrt(squares)


def _residual(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Return (T,) mean squares of what one shift of the camera doesn't explain.

    The shift is the least-squares solution of `difference = x * gradient_x + y * gradient_y`,
    which holds up to about a pixel of these small images.
    """
    total = before + after
    dx = (total[:, 1:-1, 2:] - total[:, 1:-1, :-2]) / 4
    dy = (total[:, 2:, 1:-1] - total[:, :-2, 1:-1]) / 4
    dt = (after - before)[:, 1:-1, 1:-1]
    xx, xy, yy, xt, yt = (_dot(a, b) for a, b in ((dx, dx), (dx, dy), (dy, dy), (dx, dt), (dy, dt)))
    determinant = np.maximum(xx * yy - xy * xy, 1e-3 * (xx * yy + 1))
    x, y = (yy * xt - xy * yt) / determinant, (xx * yt - xy * xt) / determinant
    return np.maximum(_dot(dt, dt) - x * xt - y * yt, 0) / dt[0].size


def _dot(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.einsum("nij,nij->n", a, b)
