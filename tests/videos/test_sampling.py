"""Frame sampling: which frames, at which size, from which part of a video."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from storm.errors import UnreadableVideo
from storm.videos.decoding.encode import encode_mp4
from storm.videos.decoding.sampling import FrameSampling, Segment


@pytest.fixture(scope="module")
def clip_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seconds, 4 frames a second, 32 x 48."""
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    encode_mp4(path, np.random.default_rng(0).integers(0, 255, (8, 32, 48, 3), np.uint8), fps=4)
    return path


@pytest.mark.parametrize(
    ("sampling", "clip", "times"),
    [
        (FrameSampling(frames=4), None, (0.25, 0.75, 1.25, 1.75)),
        (FrameSampling(frames=9, fps=2.0), None, (0.25, 0.75, 1.25, 1.75)),
        (FrameSampling(frames=3, fps=2.0), None, (0.25, 1.0, 1.75)),
        (FrameSampling(frames=2), (1.0, 2.0), (0.25, 0.75)),
        (FrameSampling(frames=2), (1.0, 90.0), (0.25, 0.75)),
    ],
)
def test_times_of_frames(
    clip_path: Path,
    sampling: FrameSampling,
    clip: tuple[float, float] | None,
    times: tuple[float, ...],
) -> None:
    frames = sampling.sample(Segment(clip_path, clip))
    assert len(frames) == len(times)
    assert frames.pts_seconds == pytest.approx(times, abs=0.13), (
        "the nearest frame of a video of 4 a second"
    )


def test_pixel_bounds_keep_the_shape(clip_path: Path) -> None:
    (_, height, width, _) = FrameSampling(frames=1, max_pixels=800).sample(clip_path).pixels.shape
    assert 600 <= height * width <= 800
    assert abs(width / height - 48 / 32) < 0.1
    (_, *small, _) = (
        FrameSampling(frames=1, size_px=12, max_pixels=800).sample(clip_path).pixels.shape
    )
    assert max(small) == 12


def test_a_clip_that_begins_after_the_end_is_named(clip_path: Path) -> None:
    with pytest.raises(UnreadableVideo, match="clip_outside"):
        FrameSampling(frames=2).sample(Segment(clip_path, (5.0, 6.0)))


def test_scaling_keeps_the_aspect_and_never_enlarges(tmp_path: Path, moving):
    path = tmp_path / "wide.mp4"
    encode_mp4(path, moving(5, 48, 96), 10)
    for verified in (False, True):
        small = FrameSampling(frames=5, size_px=32).sample(path, verified=verified)
        assert small.pixels.shape == (5, 16, 32, 3)
        large = FrameSampling(frames=5, size_px=500).sample(path, verified=verified)
        assert large.pixels.shape == (5, 48, 96, 3)
