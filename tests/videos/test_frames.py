"""Decoded frames: what fits together, and what they print."""

from __future__ import annotations

import numpy as np
import pytest

from storm.errors import DataError
from storm.videos.frames import VideoFrames

PIXELS = np.zeros((2, 4, 6, 3), np.uint8)


def test_frames_print_their_shape_and_span() -> None:
    frames = VideoFrames(PIXELS, (0.25, 1.75))
    assert len(frames) == 2
    assert repr(frames) == "VideoFrames((2, 4, 6, 3) uint8, 0.250 to 1.750 s)"
    assert "none" in repr(VideoFrames(PIXELS[:0], ()))


@pytest.mark.parametrize(
    ("pixels", "times"),
    [
        (PIXELS[0], (0.0,) * 4),
        (PIXELS[..., :1], (0.0, 1.0)),
        (PIXELS.astype(np.float32), (0.0, 1.0)),
        (PIXELS, (0.0,)),
        (PIXELS, (0.0, float("nan"))),
    ],
)
def test_what_does_not_fit_together_is_an_error(
    pixels: np.ndarray, times: tuple[float, ...]
) -> None:
    with pytest.raises(DataError, match="expected"):
        VideoFrames(pixels, times)
