"""Distance from a static reference, with the camera's own motion taken out.

Every frame is registered to the reference: the state that the clip keeps returning to. Shifts are
found on a grid, whole pixels first and half pixels after. The cost of all shifts of all frames is
one matrix product, because sum((f - r)^2) = sum(f^2) - 2 f.r + sum(r^2). Phase correlation is no
replacement: with half of the image moving it finds the wrong shift.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from storm.keyframes.signals import Planes

_FINE = tuple((dy / 2, dx / 2) for dy in range(-2, 3) for dx in range(-2, 3))


@dataclass(frozen=True)
class Registration:
    """Frames registered to their static reference."""

    difference: np.ndarray  # (T,) float32: mean difference from the reference, 0 to 255
    shifts_px: np.ndarray  # (T, 2) float32: dy, dx that were taken out


def register_to_reference(frames: np.ndarray, reach_px: int) -> Registration:
    """Find the shifts of small frames, up to `reach_px`.

    First against frame 0; then against the median of the frames that are nearest to it, where
    pixels that don't fit (what moves) count less.

    Args:
        frames: (T, H, W, 3) uint8, luma first.
        reach_px: Largest shift.
    """
    smooth = np.stack([cv2.GaussianBlur(f, (3, 3), 0.8) for f in frames]).astype(np.float32)
    luma = np.ascontiguousarray(smooth[..., 0])
    coarse = whole_pixel_shifts(luma, luma[0], reach_px)
    moved = np.stack([_move(f, s) for f, s in zip(smooth, coarse, strict=True)])
    from_first = _mean(np.abs(moved - moved[0]).reshape(len(moved), -1))
    nearest = np.argsort(from_first, kind="stable")[: min(max(5, len(frames) // 6), 15)]
    reference = np.median(moved[nearest], axis=0)

    margin = reach_px + 1
    inner = (slice(margin, -margin), slice(margin, -margin))
    residual = _mean(np.abs(moved - reference))
    tolerance = 3 * float(np.median(residual[:, ::2, ::2])) + 2
    weights = 1 / (1 + (residual / tolerance) ** 2)
    fine = _half_pixel_shifts(moved, reference, weights, inner)
    for i in np.flatnonzero(fine.any(1)):
        moved[i] = _move(smooth[i], coarse[i] + fine[i])
        residual[i] = _mean(np.abs(moved[i] - reference))
    excess = np.maximum(residual[:, inner[0], inner[1]] - tolerance / 2, 0)
    difference = _mean(excess.reshape(len(moved), -1))
    return Registration(difference, coarse + fine)


def _mean(values: np.ndarray) -> np.ndarray:
    """Return the means over the last axis: a product is many times faster than numpy's mean."""
    return values @ np.full(values.shape[-1], 1 / values.shape[-1], values.dtype)


def whole_pixel_shifts(frames: np.ndarray, reference: np.ndarray, reach_px: int) -> np.ndarray:
    """Return (T, 2) dy, dx by which each frame (T, H, W) is off the reference (H, W)."""
    center = reference.mean()
    windows = np.lib.stride_tricks.sliding_window_view(
        reference - center,
        (reference.shape[0] - 2 * reach_px, reference.shape[1] - 2 * reach_px),
    )
    side = 2 * reach_px + 1
    templates = windows.reshape(side * side, -1)
    inner = frames[:, reach_px : frames.shape[1] - reach_px, reach_px : frames.shape[2] - reach_px]
    cost = (templates**2).sum(1) - 2 * (inner - center).reshape(len(frames), -1) @ templates.T
    best = cost.argmin(1)
    # The window that starts at (reach - dy, reach - dx) is the reference moved by (dy, dx).
    return reach_px - np.stack([best // side, best % side], 1).astype(np.float32)


def _half_pixel_shifts(
    moved: np.ndarray, reference: np.ndarray, weights: np.ndarray, inner: tuple[slice, slice]
) -> np.ndarray:
    """Return (T, 2) shifts that are left after whole pixels, within one pixel."""
    center = reference.mean()
    reference = reference - center
    templates = np.stack([_move(reference, (-dy, -dx))[inner] for dy, dx in _FINE])
    w = weights[:, inner[0], inner[1]]
    weighted = (moved[:, inner[0], inner[1]] - center) * w[..., None]
    flat = templates.reshape(len(_FINE), -1)
    squares = (templates**2).sum(3).reshape(len(_FINE), -1)
    cost = w.reshape(len(moved), -1) @ squares.T - 2 * weighted.reshape(len(moved), -1) @ flat.T
    return np.array(_FINE, np.float32)[cost.argmin(1)]


def _move(image: np.ndarray, shift: np.ndarray | tuple[float, float]) -> np.ndarray:
    """Return the image with its shift (dy, dx) taken out."""
    dy, dx = float(shift[0]), float(shift[1])
    if dy == 0 and dx == 0:
        return image.copy()
    matrix = np.array([[1, 0, -dx], [0, 1, -dy]], np.float32)
    height, width = image.shape[:2]
    return cv2.warpAffine(image, matrix, (width, height), borderMode=cv2.BORDER_REPLICATE)


def distance_from_reference(small: Planes, reach: float) -> np.ndarray | None:
    """Measure how far each frame is from the static reference that the clip returns to.

    A clip returns if it hardly ever leaves the state that it starts from, or if each quarter has a
    frame that is almost in that state. A few dozen frames are tried first: registration is the
    most expensive signal.

    Args:
        small: Y, U and V of all frames.
        reach: Largest camera shift, as a share of the shorter edge.

    Returns:
        (T,) distances, or None if the clip returns to no state.
    """
    luma, *chroma = small
    if len(luma) < 4:
        return None
    frames = np.stack([luma, *(plane.repeat(2, 1).repeat(2, 2) for plane in chroma)], axis=-1)
    reach_px = max(2, round(reach * min(luma.shape[1:])))
    every = max(1, len(luma) // 24)
    distance = register_to_reference(frames[::every], reach_px).difference
    if not _returns(distance):
        return None
    return distance if every == 1 else register_to_reference(frames, reach_px).difference


def _returns(distance: np.ndarray) -> bool:
    top, away = float(distance.max()), float(np.quantile(distance, 0.8))
    if away < 0.15 * top:
        return True
    quarters = np.array_split(distance, 4)
    return away > 0 and all(float(quarter.min()) < 0.15 * away for quarter in quarters)
