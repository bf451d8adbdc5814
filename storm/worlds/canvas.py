"""Drawing in units of a 64 px frame, to fractions of a pixel."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from storm.shell_game.render import SUBPIXEL_BITS, fixed_point
from storm.shell_game.scene import Color

Point = tuple[float, float]  # x, y


class Canvas:
    """One frame (size, size, 3), moved by a camera's offset."""

    def __init__(self, frame: np.ndarray, offset: Point = (0.0, 0.0)):
        self.frame, self.offset = frame, offset
        self.unit = frame.shape[1] / 64

    def polygon(self, points: Sequence[Point], color: Color) -> None:
        """Fill a convex polygon."""
        corners = self._fixed(points).reshape(-1, 1, 2)
        cv2.fillConvexPoly(self.frame, corners, color, cv2.LINE_AA, SUBPIXEL_BITS)

    def rectangle(self, left: float, top: float, right: float, bottom: float, color: Color) -> None:
        """Fill a rectangle; nothing if it has no area."""
        if right > left and bottom > top:
            self.polygon([(left, top), (right, top), (right, bottom), (left, bottom)], color)

    def disc(self, x: float, y: float, radius: float, color: Color) -> None:
        """Fill a circle."""
        cx, cy = self._fixed([(x, y)])[0].tolist()
        fixed_radius = round(radius * self.unit * (1 << SUBPIXEL_BITS))
        cv2.circle(
            self.frame, (cx, cy), fixed_radius, color, cv2.FILLED, cv2.LINE_AA, SUBPIXEL_BITS
        )

    def _fixed(self, points: Sequence[Point]) -> np.ndarray:
        """Return (N, 2) corners as OpenCV takes them."""
        placed = np.array(points) * self.unit + np.array(self.offset)
        return fixed_point(*placed.reshape(-1)).reshape(-1, 2)


def mix(one: Color, other: Color, share: float) -> Color:
    """Return a color on the way from one to another."""
    red, green, blue = (round(a + share * (b - a)) for a, b in zip(one, other, strict=True))
    return red, green, blue
