"""Files that are odd and whole: read as FFmpeg reads them, or refused by name."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from storm.errors import UnreadableVideo
from storm.videos.decoding.container import READ, count_avi_chunks
from storm.videos.decoding.decode import verify_decodable
from storm.videos.decoding.probe import probe
from storm.videos.decoding.sampling import FrameSampling
from tests.videos.matrix import FRAMES, X264, X265, compare, cut, encode, film
from tests.videos.reading import decode_all, fault_of


def write_at(path: Path, ticks: list[int], codec: str = "libx264") -> Path:
    """Frames at some ticks of a 25th second."""
    with av.open(str(path), "w") as file:
        stream: Any = file.add_stream(codec, rate=25)
        stream.height, stream.width = film().shape[1:3]
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        for tick, pixels in zip(ticks, film(), strict=False):
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts, frame.time_base = tick, Fraction(1, 25)
            file.mux(stream.encode(frame))
        file.mux(stream.encode())
    return path


@pytest.mark.parametrize("codec", ["libx264", "mjpeg", "ffv1"])
def test_an_avi_with_empty_chunks_for_dropped_frames_is_whole(tmp_path: Path, codec: str):
    path = write_at(tmp_path / "dropped.avi", [0, 1, 2, 10, 11, 25], codec)
    info = verify_decodable(path)
    assert info.frames == 6
    assert compare(path) == ""
    assert count_avi_chunks(path, 0) > 12
    data = path.read_bytes()
    at = data.index(b"strh") + 8 + 32  # the number of frames that the header promises
    path.write_bytes(data[:at] + (99).to_bytes(4, "little") + data[at + 4 :])
    assert fault_of(path) == "damaged"


@pytest.mark.parametrize("form", ["mkv", "mp4", "ts"])
@pytest.mark.parametrize("codec", ["libx264", "libx265"])
def test_what_leads_a_cut_and_refers_to_what_was_cut_away_is_not_shown(
    tmp_path: Path, codec: str, form: str
):
    options = {"libx264": X264, "libx265": X265}[codec]["open"]
    whole = encode(tmp_path / f"whole.{form}", codec, options)
    path = cut(whole, tmp_path / f"cut.{form}")
    assert path is not None
    info, key = verify_decodable(path), probe(whole).keys[1]
    shown = decode_all(whole).pixels[probe(whole).ticks.index(key.tick) :]
    assert np.array_equal(decode_all(path).pixels, shown)
    assert info.frames == len(shown) < sum(1 for _ in packets(path))
    assert compare(path) == ""


def packets(path: Path):
    with av.open(str(path)) as file:
        yield from (p for p in file.demux(video=0) if p.size)


@pytest.mark.parametrize("share", [0.001, 0.02, 0.25, 0.6])
@pytest.mark.parametrize("kind", ["closed", "open"])
def test_a_transport_stream_that_starts_anywhere_is_read_from_its_first_key_frame(
    tmp_path: Path, kind: str, share: float
):
    path = encode(tmp_path / "whole.ts", "libx264", X264[kind])
    whole = decode_all(path).pixels
    data = path.read_bytes()
    path.write_bytes(data[round(len(data) * share) + 13 :])
    info = verify_decodable(path)
    assert 0 < info.frames <= FRAMES
    assert np.array_equal(decode_all(path).pixels, whole[-info.frames :])
    assert compare(path) == ""


def is_noticed(path: Path, packet: bytes) -> bool:
    """Whether zeros in the middle of a packet are damage."""
    data = path.read_bytes()
    at = data.index(packet) + len(packet) // 2
    path.write_bytes(data[:at] + bytes(6) + data[at + 6 :])
    try:
        verify_decodable(path)
    except UnreadableVideo as error:
        return error.reason == "damaged"
    finally:
        path.write_bytes(data)
    return False


def test_damage_behind_a_cut_is_noticed_as_it_is_without_the_cut(tmp_path: Path):
    whole = encode(tmp_path / "whole.mkv", "libx264", X264["open"])
    path = cut(whole, tmp_path / "cut.mkv")
    assert path is not None
    behind = [bytes(p) for p in packets(path)][4:20]
    noticed = [is_noticed(whole, packet) for packet in behind]
    assert sum(noticed) > 6, "the others are valid H.264"
    assert [is_noticed(path, packet) for packet in behind] == noticed


def test_a_broken_message_beside_whole_pictures_is_a_note(tmp_path: Path):
    path = tmp_path / "sei.ts"
    with av.open(str(path), "w") as file:
        stream: Any = file.add_stream("libx264", rate=25, options=X264["closed"])
        stream.height, stream.width, stream.pix_fmt = 64, 64, "yuv420p"
        for number in range(FRAMES + 1):
            frame = None
            if number < FRAMES:
                frame = av.VideoFrame.from_ndarray(film()[number], format="rgb24")
                frame.pts, frame.time_base = number, Fraction(1, 25)
            for packet in stream.encode(frame):
                file.mux(with_short_sei(packet) if packet.dts == -2 else packet)
    info = verify_decodable(path)
    assert (info.frames, info.notes) == (FRAMES, ("broken_sei",))
    assert compare(path) == ""


def with_short_sei(packet: av.Packet) -> av.Packet:
    """Cut the first SEI message (NAL unit type 6) to four bytes."""
    data = bytes(packet)
    start = data.index(b"\0\0\1\6") + 4
    end = data.index(b"\0\0\1", start) - 1
    short = av.Packet(data[: start + 4] + data[end:])
    short.pts, short.dts, short.time_base = packet.pts, packet.dts, packet.time_base
    short.is_keyframe, short.stream = packet.is_keyframe, packet.stream
    return short


@pytest.mark.parametrize("still_first", [True, False])
def test_a_still_beside_the_video_is_not_taken_for_it(tmp_path: Path, still_first: bool):
    path = tmp_path / "still.mkv"
    with av.open(str(path), "w") as file:
        kinds = ("mjpeg", "libx264") if still_first else ("libx264", "mjpeg")
        streams: dict[str, Any] = {kind: file.add_stream(kind, rate=25) for kind in kinds}
        for kind, stream in streams.items():
            stream.height = stream.width = 64
            stream.pix_fmt = "yuvj420p" if kind == "mjpeg" else "yuv420p"
        for kind, frames in (("mjpeg", 1), ("libx264", FRAMES)):
            for number in range(frames):
                frame = av.VideoFrame.from_ndarray(film()[number], format="rgb24")
                frame.pts, frame.time_base = number, Fraction(1, 25)
                file.mux(streams[kind].encode(frame))
            file.mux(streams[kind].encode())
    assert (verify_decodable(path).codec, probe(path).frames) == ("h264", FRAMES)
    assert compare(path) == ""


@pytest.mark.parametrize(
    ("aspect", "size"), [((2, 1), (64, 128)), ((8, 9), (64, 57)), ((1, 99), (64, 64))]
)
def test_pixels_that_are_not_square_are_shown_as_they_should(
    tmp_path: Path, aspect: tuple[int, int], size: tuple[int, int]
):
    path = tmp_path / "aspect.mp4"
    with av.open(str(path), "w") as file:
        stream: Any = file.add_stream("libx264", rate=25)
        stream.height, stream.width, stream.pix_fmt = 64, 64, "yuv420p"
        stream.codec_context.sample_aspect_ratio = Fraction(*aspect)
        for pixels in film()[:8]:
            file.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        file.mux(stream.encode())
    info = probe(path)
    assert (info.height_px, info.width_px) == size
    for verified in (True, False):
        sampled = FrameSampling(frames=4).sample(path, verified=verified)
        assert sampled.pixels.shape[1:3] == size
    small = FrameSampling(frames=2, size_px=32).sample(path).pixels.shape[1:3]
    assert max(small) == 32
    assert small[1] / small[0] == pytest.approx(size[1] / size[0], rel=0.05)


@pytest.mark.parametrize(
    ("name", "codec", "pixels"),
    [
        ("a.gif", "gif", "rgb8"),
        ("a.h264", "libx264", "yuv420p"),
        ("a.hevc", "libx265", "yuv420p"),
        ("a.m2v", "mpeg2video", "yuv420p"),
        ("a.mxf", "mpeg2video", "yuv420p"),
        ("a.nut", "mpeg4", "yuv420p"),
        ("a.ivf", "libvpx", "yuv420p"),
    ],
)
def test_other_containers_are_refused_by_a_list(
    tmp_path: Path, name: str, codec: str, pixels: str, write, moving
):
    if codec not in av.codecs_available:
        pytest.skip(f"this PyAV has no encoder {codec}")
    path = write(tmp_path / name, moving(8), codec, pixels)
    with pytest.raises(UnreadableVideo, match="unsupported_container") as caught:
        probe(path)
    assert all(container in caught.value.detail for container in READ)
    page = (Path(__file__).parents[2] / "docs" / "your-data.md").read_text()
    assert all(container in page for container in READ)
