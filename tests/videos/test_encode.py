"""Written videos and images: same frames, same bytes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from storm.videos.decoding.encode import encode_mp4, jpeg, unjpeg
from storm.videos.decoding.probe import probe
from tests.videos.reading import decode_all


def test_mp4_bytes_are_repeatable(tmp_path: Path, moving):
    path, contents = tmp_path / "a.mp4", set()
    for _ in range(100):  # x264's macroblock tree failed this once in fifty
        encode_mp4(path, moving(20), 29.97)
        contents.add(path.read_bytes())
    assert len(contents) == 1
    assert probe(path).fps == pytest.approx(29.97, abs=0.01)


@pytest.mark.parametrize(("height", "width"), [(16, 16), (17, 31), (2, 2), (64, 2)])
def test_odd_and_small_sizes(tmp_path: Path, height: int, width: int):
    path = tmp_path / "odd.mp4"
    frames = np.full((3, height, width, 3), 90, np.uint8)
    encode_mp4(path, frames, 5)
    shape = decode_all(path).pixels.shape
    assert shape == (3, height + height % 2, width + width % 2, 3)


def test_jpeg_keeps_colours(moving):
    frame = moving(1)[0]
    again = unjpeg(jpeg(frame))
    assert again.shape == frame.shape
    assert np.abs(again.astype(int) - frame).mean() < 2
    assert jpeg(frame) == jpeg(frame)
