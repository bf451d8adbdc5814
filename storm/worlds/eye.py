"""Find where the camera is and what a frame shows: the drawing that fits best, and where."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from storm.shell_game.scene import Color
from storm.shell_game.teacher import Unreadable

SIZE = 64  # pixels of either edge at which frames are compared
_REACH = 3  # pixels by which the camera may be off, each way
_EDGE = np.ones((5, 5), np.uint8)  # as far as the camera and compression blur a drawing


@dataclass(frozen=True)
class Fit:
    """How N frames compare with T drawings, each at its best shift.

    Attributes:
        misfits: (N, T) mean squared differences, of the cover's contrast.
        shifts: (N, T, 2) dy, dx of the camera, in pixels.
    """

    misfits: np.ndarray
    shifts: np.ndarray


@dataclass(frozen=True)
class Pixels:
    """Frames on the line between two colors.

    Attributes:
        frames: (N, SIZE, SIZE, 3) float32.
        share: (N, SIZE, SIZE), 0 where a pixel is like the table and 1 where it is like the cover.
        table: The table's color.
        cover: The cover's color.
    """

    frames: np.ndarray
    share: np.ndarray
    table: Color
    cover: Color

    @classmethod
    def of(cls, frames: np.ndarray, drawings: np.ndarray) -> Pixels:
        """Return frames (N, H, W, 3) uint8 with the colors that their drawings have in common.

        Args:
            frames: Most of them look like one of the drawings.
            drawings: (T, SIZE, SIZE), 0 the table and 1 the cover.

        Raises:
            Unreadable: If there is no cover that differs from the table.
        """
        if frames.shape[1] != frames.shape[2]:
            raise Unreadable("not_square", f"expected square frames, found {frames.shape}")
        resized = [cv2.resize(f, (SIZE, SIZE), interpolation=cv2.INTER_AREA) for f in frames]
        pixels = np.stack(resized).astype(np.float32)
        table = np.median(pixels[:, cv2.dilate(drawings.max(0), _EDGE) < 0.01], (0, 1))
        cover = np.median(pixels[:, cv2.erode(drawings.min(0), _EDGE) > 0.99], (0, 1))
        axis = cover - table
        if np.linalg.norm(axis) < 20:
            raise Unreadable("no_cover", f"expected a cover on a table, found {table} and {cover}")
        share = np.clip((pixels - table) @ axis / (axis @ axis), 0, 1)
        return cls(pixels, share, to_color(table), to_color(cover))

    def fit(self, drawings: np.ndarray, weights: np.ndarray | None = None) -> Fit:
        """Compare every frame with drawings (T, SIZE, SIZE), at every shift within reach.

        `weights` (SIZE, SIZE) says which pixels count.
        """
        inner = slice(_REACH, SIZE - _REACH)
        drawn = drawings[:, inner, inner].reshape(len(drawings), -1)
        counts = np.ones_like(drawn[0]) if weights is None else weights[inner, inner].reshape(-1)
        steps = range(-_REACH, _REACH + 1)
        shifts = [(dy, dx) for dy in steps for dx in steps]
        misfits = np.empty((len(shifts), len(self.share), len(drawings)), np.float32)
        for i, (dy, dx) in enumerate(shifts):
            seen = self.share[:, _REACH + dy : SIZE - _REACH + dy, _REACH + dx : SIZE - _REACH + dx]
            seen = seen.reshape(len(seen), -1)
            squares = (seen**2) @ counts
            misfits[i] = squares[:, None] - 2 * (seen * counts) @ drawn.T + (drawn**2) @ counts
        best = misfits.argmin(0)
        least = np.take_along_axis(misfits, best[None], 0)[0] / counts.sum()
        return Fit(least, np.array(shifts)[best])


def standing_still(frame: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """Return a frame with the camera's shift (dy, dx) in whole pixels taken out."""
    return np.roll(frame, (-int(shift[0]), -int(shift[1])), (0, 1))


def to_color(values: np.ndarray) -> Color:
    """Return a mean color in whole numbers."""
    red, green, blue = (round(float(v)) for v in values)
    return red, green, blue
