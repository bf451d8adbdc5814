"""Frames from a child are the frames; a decoder that dies or hangs is a reason."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from storm.errors import UnreadableVideo
from storm.videos.decoding import isolated
from storm.videos.decoding.isolated import sample_isolated
from storm.videos.decoding.sampling import FrameSampling

SAMPLING = FrameSampling(frames=4, size_px=32)


def test_frames_are_those_of_the_same_rule_here(film: Path) -> None:
    frames, expected = sample_isolated(SAMPLING, film), SAMPLING.sample(film)
    assert np.array_equal(frames.pixels, expected.pixels)
    assert frames.pts_seconds == expected.pts_seconds
    assert frames.decode_seconds > 0


def test_faults_keep_their_reason(
    film: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UnreadableVideo, match=r"missing: .*none\.mp4"):
        sample_isolated(SAMPLING, tmp_path / "none.mp4")
    monkeypatch.setattr(isolated, "MAX_SECONDS", 0.0)
    with pytest.raises(UnreadableVideo, match=r"timeout: .*film\.mp4"):
        sample_isolated(SAMPLING, film)
