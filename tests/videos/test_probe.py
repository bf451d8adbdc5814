"""Times, sizes and limits: what a file says about itself, and what is unreadable."""

from __future__ import annotations

import struct
import zlib
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from storm.errors import UnreadableVideo
from storm.videos.decoding.encode import encode_mp4
from storm.videos.decoding.probe import probe
from storm.videos.decoding.sampling import FrameSampling
from storm.videos.decoding.streams import Limits
from tests.videos.reading import decode_all, decode_at, fault_of


@pytest.mark.parametrize("fps", [12, 25, 29.97, 30])
def test_of_two_frames_as_near_the_earlier_is_taken(tmp_path: Path, moving, fps: float):
    path = tmp_path / "ties.mp4"
    encode_mp4(path, moving(54), fps)
    info = probe(path)
    halves = [info.duration_seconds * (i + 0.5) / 54 for i in range(53)]
    assert [info.nearest(t) for t in halves] == list(range(53))
    noisy = [t + e for t in halves for e in (-1e-12, 1e-12)]
    assert [info.nearest(t) for t in noisy] == [i for i in range(53) for _ in range(2)]
    assert FrameSampling(frames=54).sample(path).pts_seconds == info.pts_seconds


def test_a_variable_frame_rate_keeps_its_times(tmp_path: Path, moving):
    path, ticks = tmp_path / "variable.mp4", [0, 1, 2, 10, 11, 30]
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=30)
        stream.height = stream.width = 64
        stream.pix_fmt = "yuv420p"
        stream.codec_context.time_base = Fraction(1, 30)
        for tick, pixels in zip(ticks, moving(6), strict=True):
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts, frame.time_base = tick, Fraction(1, 30)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    clip = decode_all(path)
    assert clip.pts_seconds == pytest.approx([t / 30 for t in ticks])
    assert decode_at(path, [0.4]).pts_seconds == pytest.approx([11 / 30])


def test_audio_only(tmp_path: Path):
    path = tmp_path / "sound.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=16000, layout="mono")
        for i in range(20):
            frame = av.AudioFrame.from_ndarray(
                np.zeros((1, 1024), np.float32), format="fltp", layout="mono"
            )
            frame.sample_rate, frame.pts = 16000, 1024 * i
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    assert fault_of(path) == "no_video_stream"


def test_one_frame_is_too_short_unless_allowed(tmp_path: Path, moving):
    path = tmp_path / "one.mp4"
    encode_mp4(path, moving(1), 10)
    assert fault_of(path) == "too_short"
    alone = Limits(min_frames=1)
    assert decode_all(path, limits=alone).pixels.shape == (1, 64, 64, 3)
    assert probe(path, alone).duration_seconds == pytest.approx(0.1)


def test_limits(film: Path):
    assert fault_of(film, max_duration_seconds=4.0) == "too_long"
    assert fault_of(film, max_frames=53) == "too_long"
    assert fault_of(film, max_pixels=64 * 63) == "too_large"
    assert fault_of(film, max_streams=0) == "too_many_streams"
    with pytest.raises(UnreadableVideo, match="too_large"):
        decode_all(film, limits=Limits(max_decoded_bytes=54 * 64 * 64 * 3 - 1))
    assert decode_all(film, 32, limits=Limits(max_decoded_bytes=54 * 32 * 32 * 3)).pixels.size


@pytest.mark.parametrize("name", ["long.mp4", "long.mkv"])
def test_ten_hours_are_refused_by_the_header(tmp_path: Path, moving, name: str):
    path, second = tmp_path / name, Fraction(1, 25)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.height, stream.width, stream.pix_fmt = 64, 64, "yuv420p"
        for pixels, hours in zip(moving(3), (0, 5, 10)):
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts, frame.time_base = hours * 3600 * 25, second
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    assert path.stat().st_size < 20_000
    assert fault_of(path) == "too_long"


@pytest.mark.integration
@pytest.mark.parametrize(("edge", "why"), [(16_000, "too_large"), (16_384, "damaged")])
def test_a_huge_picture_is_refused(tmp_path: Path, moving, write, edge: int, why: str):
    """In the headers of a small file's PNG pictures. FFmpeg itself takes no 16,384 x 16,384."""
    path = write(tmp_path / "huge.avi", moving(3), "png", "rgb24")
    data = bytearray(path.read_bytes())
    size = data.index(b"strf") + 12
    data[size : size + 8] = struct.pack("<2i", edge, edge)
    start = data.find(b"IHDR")
    while start >= 0:
        data[start + 4 : start + 12] = struct.pack(">2I", edge, edge)
        data[start + 17 : start + 21] = struct.pack(">I", zlib.crc32(data[start : start + 17]))
        start = data.find(b"IHDR", start + 1)
    path.write_bytes(data)
    assert fault_of(path) == why
