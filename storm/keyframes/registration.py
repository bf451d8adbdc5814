"""Takes the camera's own motion out: every frame is moved onto the rest state.

Shifts are found on a grid, whole pixels first and half pixels after. The cost of all shifts
of all frames is one matrix product, because sum((f - r)^2) = sum(f^2) - 2 f.r + sum(r^2).
Phase correlation is no replacement: with half of the picture moving it finds the wrong shift.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

_FINE = tuple((dy / 2, dx / 2) for dy in range(-2, 3) for dx in range(-2, 3))


@dataclass(frozen=True)
class Registered:
    difference: np.ndarray  # (T,) float32: mean difference from the rest state, 0 to 255
    shifts_px: np.ndarray  # (T, 2) float32: dy, dx that were taken out
    rest: np.ndarray  # (H, W, 3) float32


def register_to_rest(frames: np.ndarray, reach_px: int) -> Registered:
    """`frames` (T, H, W, 3) uint8, small, luma first. Looks for shifts up to `reach_px`.

    First against frame 0; then against the median of the frames that are nearest to it,
    where pixels that don't fit (what moves) count less.
    """
    smooth = np.stack([cv2.GaussianBlur(f, (3, 3), 0.8) for f in frames]).astype(np.float32)
    luma = np.ascontiguousarray(smooth[..., 0])
    coarse = whole_pixel_shifts(luma, luma[0], reach_px)
    moved = np.stack([_move(f, s) for f, s in zip(smooth, coarse, strict=True)])
    from_first = np.abs(moved - moved[0]).mean((1, 2, 3))
    nearest = np.argsort(from_first, kind="stable")[: max(5, len(frames) // 6)]
    rest = np.median(moved[nearest], axis=0)

    margin = reach_px + 1
    inner = (slice(margin, -margin), slice(margin, -margin))
    residual = np.abs(moved - rest).mean(3)
    tolerance = 3 * float(np.median(residual)) + 2
    weights = 1 / (1 + (residual / tolerance) ** 2)
    fine = _half_pixel_shifts(moved, rest, weights, inner)
    for i in np.flatnonzero(fine.any(1)):
        moved[i] = _move(smooth[i], coarse[i] + fine[i])
    excess = np.abs(moved - rest)[:, inner[0], inner[1]].mean(3) - tolerance / 2
    difference = np.maximum(excess, 0).mean((1, 2))
    return Registered(difference, coarse + fine, rest)


def whole_pixel_shifts(frames: np.ndarray, reference: np.ndarray, reach_px: int) -> np.ndarray:
    """(T, 2) dy, dx by which each frame (T, H, W) lies off the reference (H, W)."""
    centre = reference.mean()
    windows = np.lib.stride_tricks.sliding_window_view(
        reference - centre,
        (reference.shape[0] - 2 * reach_px, reference.shape[1] - 2 * reach_px),
    )
    side = 2 * reach_px + 1
    templates = windows.reshape(side * side, -1)
    inner = frames[:, reach_px : frames.shape[1] - reach_px, reach_px : frames.shape[2] - reach_px]
    cost = (templates**2).sum(1) - 2 * (inner - centre).reshape(len(frames), -1) @ templates.T
    best = cost.argmin(1)
    # The window that starts at (reach - dy, reach - dx) is the reference moved by (dy, dx).
    return reach_px - np.stack([best // side, best % side], 1).astype(np.float32)


def _half_pixel_shifts(
    moved: np.ndarray, rest: np.ndarray, weights: np.ndarray, inner: tuple[slice, slice]
) -> np.ndarray:
    """(T, 2) what is left after whole pixels, within one pixel."""
    centre = rest.mean()
    rest = rest - centre
    templates = np.stack([_move(rest, (-dy, -dx))[inner] for dy, dx in _FINE])
    w = weights[:, inner[0], inner[1]]
    weighted = (moved[:, inner[0], inner[1]] - centre) * w[..., None]
    flat = templates.reshape(len(_FINE), -1)
    squares = (templates**2).sum(3).reshape(len(_FINE), -1)
    cost = w.reshape(len(moved), -1) @ squares.T - 2 * weighted.reshape(len(moved), -1) @ flat.T
    return np.array(_FINE, np.float32)[cost.argmin(1)]


def _move(image: np.ndarray, shift: np.ndarray | tuple[float, float]) -> np.ndarray:
    """The image with its shift (dy, dx) taken out."""
    dy, dx = float(shift[0]), float(shift[1])
    if dy == 0 and dx == 0:
        return image.copy()
    matrix = np.array([[1, 0, -dx], [0, 1, -dy]], np.float32)
    height, width = image.shape[:2]
    return cv2.warpAffine(image, matrix, (width, height), borderMode=cv2.BORDER_REPLICATE)


def distance_from_rest(
    small: Sequence[tuple[np.ndarray, ...]], edge_px: int, reach: float
) -> np.ndarray | None:
    """(T,) how far each frame is from the state of rest that the clip returns to; None: to none.

    `small` holds Y, U and V of each frame. A clip returns if it hardly ever leaves the state that
    it starts from, or in each quarter of it a frame is as good as in that state. That is asked of
    a few dozen frames first: registration is the most expensive signal.
    """
    if len(small) < 4:
        return None
    every = max(1, len(small) // 24)
    distance = _registered(small[::every], edge_px, reach)
    if not _returns(distance):
        return None
    return distance if every == 1 else _registered(small, edge_px, reach)


def _returns(distance: np.ndarray) -> bool:
    top, away = float(distance.max()), float(np.quantile(distance, 0.8))
    if away < 0.15 * top:
        return True
    quarters = np.array_split(distance, 4)
    return away > 0 and all(float(quarter.min()) < 0.15 * away for quarter in quarters)


def _registered(small: Sequence[tuple[np.ndarray, ...]], edge_px: int, reach: float) -> np.ndarray:
    height, width = small[0][0].shape
    scale = min(1.0, edge_px / max(height, width))
    size = (max(16, round(width * scale)), max(16, round(height * scale)))
    frames = np.stack(
        [
            np.stack([cv2.resize(p, size, interpolation=cv2.INTER_AREA) for p in planes], axis=-1)
            for planes in small
        ]
    )
    reach_px = max(2, round(reach * min(size)))
    return register_to_rest(frames, reach_px).difference
