"""Every file is read whole, upright and in time."""

from __future__ import annotations

import struct
from pathlib import Path

import av
import numpy as np
import pytest

from storm.errors import UnreadableVideo
from storm.videos.decoding.decode import fetch_frames, interval_midpoints, verify_decodable
from storm.videos.decoding.encode import encode_mp4
from storm.videos.decoding.probe import probe
from storm.videos.decoding.sampling import FrameSampling
from tests.videos.reading import decode_all, decode_at, rotate


def test_frames_come_back_as_written_with_their_times(film: Path, moving):
    clip = decode_all(film)
    assert clip.pixels.shape == (54, 64, 64, 3)
    assert clip.pixels.dtype == np.uint8
    assert clip.pts_seconds == tuple(i / 12 for i in range(54))
    assert np.abs(clip.pixels.astype(int) - moving()).mean() < 6
    info = probe(film)
    assert (info.codec, info.frames, info.height_px, info.width_px) == ("h264", 54, 64, 64)
    assert (info.fps, info.duration_seconds) == (12, 4.5)


def test_seeking_and_reading_in_order_give_equal_frames(film: Path):
    every = decode_all(film)
    times = [0.3, 4.4, 2.0]
    some, same = decode_at(film, times), decode_at(film, times, verified=True)
    assert np.array_equal(some.pixels, same.pixels)
    assert some.pts_seconds == same.pts_seconds == (4 / 12, 53 / 12, 24 / 12)
    assert np.array_equal(some.pixels, every.pixels[[4, 53, 24]])


def test_seeking_decodes_only_from_the_key_frame_before(tmp_path: Path, moving, write):
    """Shown by damage in the first group of frames, which only those who decode it notice."""
    path = write(
        tmp_path / "groups.mp4",
        moving(60),
        "libx264",
        x264={"g": "20", "bf": "3", "sc_threshold": "0"},
    )
    info = probe(path)
    assert [info.ticks.index(key.tick) for key in info.keys] == [0, 20, 40]
    for wanted in ([59, 0, 41, 39, 19, 59], [20], [40, 21], [18, 19, 20]):
        by_seeking = fetch_frames(path, info, wanted, verified=True)
        assert np.array_equal(by_seeking.pixels, fetch_frames(path, info, wanted).pixels)
        assert by_seeking.pts_seconds == tuple(info.pts_seconds[i] for i in wanted)
    data = bytearray(path.read_bytes())
    start = data.index(b"mdat") + 4
    data[start + 900 : start + 1000] = bytes(100)
    path.write_bytes(data)
    with pytest.raises(UnreadableVideo, match="damaged"):
        fetch_frames(path, info, [50])
    assert fetch_frames(path, info, [50], verified=True).pixels.shape == (1, 64, 64, 3)


def test_the_sampling_rule_takes_middles():
    assert interval_midpoints(8.0, 4) == (1.0, 3.0, 5.0, 7.0)
    assert interval_midpoints(3.0, 1) == (1.5,)


def test_a_time_may_be_asked_for_twice_or_outside(film: Path):
    clip = decode_at(film, [-1.0, 99.0, 99.0])
    assert clip.pts_seconds == (0.0, 53 / 12, 53 / 12)
    assert clip.pixels.shape == (3, 64, 64, 3)
    assert decode_at(film, []).pixels.shape == (0, 64, 64, 3)


@pytest.mark.parametrize(
    ("name", "codec", "pixels"),
    [
        ("vp8.webm", "libvpx", "yuv420p"),
        ("vp9.webm", "libvpx-vp9", "yuv420p"),
        ("av1.mp4", "libsvtav1", "yuv420p"),
        ("ten_bit.mkv", "libx265", "yuv420p10le"),
        ("mpeg4.avi", "mpeg4", "yuv420p"),
        ("h264.ts", "libx264", "yuv420p"),
        ("full_colour.mkv", "libx264", "yuv444p"),
        ("flash.flv", "flv", "yuv420p"),
    ],
)
def test_codecs_and_containers(tmp_path: Path, name: str, codec: str, pixels: str, moving, write):
    if codec not in av.codecs_available:
        pytest.skip(f"this PyAV has no encoder {codec}")
    frames = moving(26)
    path = write(tmp_path / name, frames, codec, pixels)
    clip = decode_all(path)
    assert clip.pixels.shape == frames.shape
    assert np.abs(clip.pixels.astype(int) - frames).mean() < 12
    assert clip.pts_seconds == pytest.approx([i / 25 for i in range(26)], abs=0.002)
    assert probe(path).duration_seconds == pytest.approx(26 / 25, abs=0.05)
    assert np.array_equal(decode_at(path, [0.6], verified=True).pixels, clip.pixels[15:16])


@pytest.mark.parametrize(("turns", "b"), [(3, 1), (1, -1)])  # the matrix turns clockwise for b = 1
def test_rotation_is_applied(tmp_path: Path, turns: int, b: int, moving):
    plain = tmp_path / "plain.mp4"
    encode_mp4(plain, moving(4, 48, 64), 5)
    path = rotate(plain, tmp_path / "r.mp4", b)
    expected = np.rot90(decode_all(plain).pixels, turns, axes=(1, 2))
    assert expected.shape == (4, 64, 48, 3)
    for verified in (False, True):
        assert np.array_equal(
            FrameSampling(frames=4).sample(path, verified=verified).pixels, expected
        )
    assert probe(path).height_px == 64


def test_flipped_bits_are_noticed(film: Path, tmp_path: Path):
    """A flip that is still valid H.264 can't be seen by any decoder: the digest in the row can."""
    data = film.read_bytes()
    start = data.index(b"mdat") + 4
    size = struct.unpack(">I", data[start - 8 : start - 4])[0] - 8
    rng = np.random.default_rng(0)
    path, noticed = tmp_path / "flipped.mp4", 0
    for _ in range(40):
        flipped = bytearray(data)
        for place in rng.integers(start, start + size, 8):
            flipped[place] ^= 1 << int(rng.integers(8))
        path.write_bytes(flipped)
        try:
            decode_all(path)
        except UnreadableVideo as error:
            noticed += error.reason == "damaged"
    assert noticed >= 36


def test_a_rotated_mov_with_b_frames_is_upright_and_in_order(tmp_path: Path, moving, write):
    film = write(tmp_path / "film.mov", moving(30, 48, 64), "libx264", x264={"g": "10", "bf": "2"})
    path = rotate(film, tmp_path / "rotated.mov", 1)
    info = verify_decodable(path)
    assert (info.frames, info.height_px, info.width_px) == (30, 64, 48)
    assert list(info.pts_seconds) == sorted(set(info.pts_seconds))
    three = FrameSampling(frames=3)
    assert np.array_equal(three.sample(path).pixels, three.sample(path, verified=True).pixels)
