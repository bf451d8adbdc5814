"""Every file is read whole, upright and in time, or refused with its own reason."""

from __future__ import annotations

import os
import struct
import zlib
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from storm.errors import UnreadableVideo
from storm.videos.decoding.decode import (
    Limits,
    check,
    decode_all,
    decode_at,
    fetch,
    interval_middles,
    probe,
)
from storm.videos.decoding.encode import encode_mp4, jpeg, unjpeg
from storm.videos.decoding.sampling import FrameSampling


def reason(path: Path, **limits) -> str:
    """Why a file is refused; every way of reading it must agree."""
    reasons = set()
    for read in (check, decode_all, lambda p, limits: decode_at(p, [0.5], limits=limits)):
        with pytest.raises(UnreadableVideo) as caught:
            read(path, limits=Limits(**limits))
        assert caught.value.detail
        reasons.add(caught.value.reason)
    assert len(reasons) == 1
    return reasons.pop()


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


def test_seeking_decodes_from_the_key_frame_before_alone(tmp_path: Path, moving, write):
    """Shown by damage in the first group of frames, which only those who decode it notice."""
    path = write(
        tmp_path / "groups.mp4",
        moving(60),
        "libx264",
        x264={"g": "20", "bf": "3", "sc_threshold": "0"},
    )
    info = probe(path)
    assert [info.ticks.index(t) for t in info.key_ticks] == [0, 20, 40]
    for wanted in ([59, 0, 41, 39, 19, 59], [20], [40, 21], [18, 19, 20]):
        by_seeking = fetch(path, info, wanted, verified=True)
        assert np.array_equal(by_seeking.pixels, fetch(path, info, wanted).pixels)
        assert by_seeking.pts_seconds == tuple(info.pts_seconds[i] for i in wanted)
    data = bytearray(path.read_bytes())
    start = data.index(b"mdat") + 4
    data[start + 900 : start + 1000] = bytes(100)
    path.write_bytes(data)
    with pytest.raises(UnreadableVideo, match="damaged"):
        fetch(path, info, [50])
    assert fetch(path, info, [50], verified=True).pixels.shape == (1, 64, 64, 3)


def test_the_sampling_rule_takes_middles():
    assert interval_middles(8.0, 4) == (1.0, 3.0, 5.0, 7.0)
    assert interval_middles(3.0, 1) == (1.5,)


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


def test_a_time_may_be_asked_for_twice_or_outside(film: Path):
    clip = decode_at(film, [-1.0, 99.0, 99.0])
    assert clip.pts_seconds == (0.0, 53 / 12, 53 / 12)
    assert clip.pixels.shape == (3, 64, 64, 3)
    assert decode_at(film, []).pixels.shape == (0, 64, 64, 3)


def test_scaling_keeps_the_aspect_and_never_enlarges(tmp_path: Path, moving):
    path = tmp_path / "wide.mp4"
    encode_mp4(path, moving(5, 48, 96), 10)
    for verified in (False, True):
        assert FrameSampling(frames=5, size_px=32).sample(path, verified=verified).pixels.shape == (
            5,
            16,
            32,
            3,
        )
        assert FrameSampling(frames=5, size_px=500).sample(
            path, verified=verified
        ).pixels.shape == (
            5,
            48,
            96,
            3,
        )


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


@pytest.mark.parametrize(("height", "width"), [(16, 16), (17, 31), (2, 2), (64, 2)])
def test_odd_and_small_sizes(tmp_path: Path, height: int, width: int):
    path = tmp_path / "odd.mp4"
    frames = np.full((3, height, width, 3), 90, np.uint8)
    encode_mp4(path, frames, 5)
    shape = decode_all(path).pixels.shape
    assert shape == (3, height + height % 2, width + width % 2, 3)


def rotated(film: Path, path: Path, matrix: tuple[int, ...]) -> Path:
    """The film with a display matrix (a b 0 / c d 0 / x y 1) in its track header."""
    data = bytearray(film.read_bytes())
    plain = struct.pack(">9i", 1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30)
    start = data.index(plain, data.index(b"tkhd"))
    data[start : start + 36] = struct.pack(">9i", *matrix)
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(("turns", "b"), [(3, 1), (1, -1)])  # the matrix turns clockwise for b = 1
def test_rotation_is_applied(tmp_path: Path, turns: int, b: int, moving):
    plain = tmp_path / "plain.mp4"
    encode_mp4(plain, moving(4, 48, 64), 5)
    one = 1 << 16
    path = rotated(plain, tmp_path / "r.mp4", (0, b * one, 0, -b * one, 0, 0, 0, 0, 1 << 30))
    expected = np.rot90(decode_all(plain).pixels, turns, axes=(1, 2))
    assert expected.shape == (4, 64, 48, 3)
    for verified in (False, True):
        assert np.array_equal(
            FrameSampling(frames=4).sample(path, verified=verified).pixels, expected
        )
    assert probe(path).height_px == 64


def test_what_is_no_file_is_never_opened(tmp_path: Path):
    assert reason(tmp_path / "nothing.mp4") == "missing"
    assert reason(tmp_path) == "not_a_file"
    os.mkfifo(tmp_path / "pipe.mp4")
    assert reason(tmp_path / "pipe.mp4") == "not_a_file"
    assert reason(Path("/dev/zero")) == "not_a_file"
    (tmp_path / "loop.mp4").symlink_to(tmp_path / "loop.mp4")
    assert reason(tmp_path / "loop.mp4") == "missing"
    assert reason(tmp_path / "a\0b.mp4") == "missing"


def test_what_is_no_video_is_named(tmp_path: Path):
    contents = {
        "empty_file": b"",
        "not_a_video": b"This is a text about a video.\n" * 50,
        "damaged": b"\0\0\0\x18ftypmp42" + b"\0" * 12,
    }
    for expected, content in contents.items():
        path = tmp_path / f"{expected}.mp4"
        path.write_bytes(content)
        assert reason(path) == expected
    path = tmp_path / "random.mp4"
    path.write_bytes(np.random.default_rng(0).bytes(5000))
    assert reason(path) == "not_a_video"
    path.write_text("#EXTM3U\n/etc/passwd\n")
    assert reason(path) == "not_a_video"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_no_permission(film: Path, tmp_path: Path):
    path = tmp_path / "locked.mp4"
    path.write_bytes(film.read_bytes())
    path.chmod(0)
    assert reason(path) == "no_permission"


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
    assert reason(path) == "no_video_stream"


def test_one_frame_is_too_short_unless_allowed(tmp_path: Path, moving):
    path = tmp_path / "one.mp4"
    encode_mp4(path, moving(1), 10)
    assert reason(path) == "too_short"
    alone = Limits(min_frames=1)
    assert decode_all(path, limits=alone).pixels.shape == (1, 64, 64, 3)
    assert probe(path, alone).duration_seconds == pytest.approx(0.1)


def test_limits(film: Path):
    assert reason(film, max_duration_seconds=4.0) == "too_long"
    assert reason(film, max_frames=53) == "too_long"
    assert reason(film, max_pixels=64 * 63) == "too_large"
    assert reason(film, max_streams=0) == "too_many_streams"
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
    assert reason(path) == "too_long"


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
    assert reason(path) == why


def test_every_cut_of_the_tail_is_noticed(film: Path, tmp_path: Path):
    data = film.read_bytes()
    path = tmp_path / "cut.mp4"
    for keep in (30, 100, len(data) // 3, len(data) // 2, len(data) - 100, len(data) - 1):
        path.write_bytes(data[:keep])
        assert reason(path) == "damaged", keep


@pytest.mark.parametrize("name", ["cut.mkv", "cut.avi", "fragments.mp4"])
def test_cut_tails_of_other_containers(tmp_path: Path, name: str, moving, write):
    options = {"movflags": "frag_keyframe+empty_moov"} if name == "fragments.mp4" else {}
    path = write(tmp_path / name, moving(30), "libx264", **options)
    assert len(decode_all(path).pixels) == 30
    data = path.read_bytes()
    for share in (0.5, 0.9):
        path.write_bytes(data[: int(len(data) * share)])
        assert reason(path) == "damaged"


def test_a_cut_head_is_noticed(film: Path, tmp_path: Path):
    path = tmp_path / "headless.mp4"
    path.write_bytes(film.read_bytes()[500:])
    assert reason(path) == "not_a_video"


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


def test_mp4_bytes_are_repeatable(tmp_path: Path, moving):
    path, contents = tmp_path / "a.mp4", set()
    for _ in range(100):  # x264's macroblock tree failed this once in fifty
        encode_mp4(path, moving(20), 29.97)
        contents.add(path.read_bytes())
    assert len(contents) == 1
    assert probe(path).fps == pytest.approx(29.97, abs=0.01)


def test_jpeg_keeps_colours(moving):
    frame = moving(1)[0]
    again = unjpeg(jpeg(frame))
    assert again.shape == frame.shape
    assert np.abs(again.astype(int) - frame).mean() < 2
    assert jpeg(frame) == jpeg(frame)


def test_real_clips(clips: Path):
    expected = {
        "baby_reading.mp4": (243, 360, 640),
        "bikes.mp4": (250, 272, 640),
        "pancake.mkv": (310, 240, 426),
        "rotated90.mov": (3, 568, 320),
        "unordered.mov": (4, 50, 50),
    }
    for name, shape in expected.items():
        info = check(clips / name)
        assert (info.frames, info.height_px, info.width_px) == shape
        assert list(info.pts_seconds) == sorted(set(info.pts_seconds))
    upright = [
        FrameSampling(frames=3).sample(clips / "rotated90.mov", verified=w).pixels
        for w in (False, True)
    ]
    assert np.array_equal(*upright)
    assert reason(clips / "corrupted.mp4") == "damaged"
