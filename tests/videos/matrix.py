"""Films in many containers, codecs and kinds of groups of pictures, whole and cut.

python -m tests.videos.matrix    every way of reading each of them, compared with a plain pass
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from storm.videos.decoding.decode import fetch_frames, interval_midpoints, verify_decodable
from storm.videos.decoding.sampling import FrameSampling

FRAMES, FPS, EDGE = 48, 25, 64
PIXELS = {
    "mjpeg": "yuvj420p",
    "prores_ks": "yuv422p10le",
    "png": "rgb24",
    "huffyuv": "yuv422p",
    "qtrle": "rgb24",
    "rawvideo": "yuv420p",
}
X264 = {
    "closed": {"g": "12", "bf": "3"},
    "open": {"g": "12", "bf": "3", "x264-params": "open-gop=1:b-pyramid=normal"},
    "plain": {"g": "12", "bf": "0"},
    "intra": {"g": "1"},
    "refresh": {"g": "12", "bf": "0", "x264-params": "intra-refresh=1"},
    "long": {"g": "500", "bf": "3"},
    "fields": {"g": "12", "bf": "2", "x264-params": "interlaced=1"},
}
X265 = {
    "closed": {"x265-params": "keyint=12:min-keyint=12:open-gop=0:log-level=none"},
    "open": {"x265-params": "keyint=12:min-keyint=12:open-gop=1:log-level=none"},
    "radl": {"x265-params": "keyint=12:min-keyint=12:open-gop=0:radl=2:log-level=none"},
    "intra": {"x265-params": "keyint=1:log-level=none"},
    "long": {"x265-params": "keyint=500:log-level=none"},
}
MPEG = {
    "closed": {"g": "12", "bf": "2", "flags": "+cgop", "sc_threshold": "1000000000"},
    "open": {"g": "12", "bf": "2"},
    "plain": {"g": "12", "bf": "0"},
    "intra": {"g": "1", "bf": "0"},
}
PLAIN = {"plain": {"g": "12"}}
VP = {"hidden": {"g": "12", "lag-in-frames": "16", "auto-alt-ref": "1", "deadline": "good"}}
AV1 = {
    "closed": {"g": "12", "preset": "12", "svtav1-params": "irefresh-type=2:rc=0"},
    "open": {"g": "12", "preset": "12", "svtav1-params": "irefresh-type=1"},
}
ALL: dict[str, tuple[dict[str, dict[str, str]], tuple[str, ...]]] = {
    "libx264": (X264, ("mp4", "mov", "mkv", "avi", "ts", "flv", "3gp")),
    "libx265": (X265, ("mp4", "mkv", "ts", "mov")),
    "mpeg2video": (MPEG, ("ts", "mpg", "mkv", "mp4", "avi", "vob")),
    "mpeg1video": (MPEG, ("mpg", "mkv")),
    "mpeg4": (MPEG, ("mp4", "avi", "mkv", "mov", "ts")),
    "libvpx": (VP, ("webm", "mkv", "avi")),
    "libvpx-vp9": (VP, ("webm", "mp4", "mkv")),
    "libsvtav1": (AV1, ("mp4", "mkv", "webm")),
    "wmv2": (PLAIN, ("wmv", "avi")),
    "msmpeg4": (PLAIN, ("avi",)),
    "flv": (PLAIN, ("flv",)),
    "h263": (PLAIN, ("3gp", "mov")),
    "mjpeg": (PLAIN, ("avi", "mov", "mkv")),
    "ffv1": (PLAIN, ("mkv", "avi")),
    "prores_ks": (PLAIN, ("mov", "mkv")),
    "png": (PLAIN, ("mov", "avi")),
    "huffyuv": (PLAIN, ("avi",)),
    "qtrle": (PLAIN, ("mov",)),
    "rawvideo": (PLAIN, ("avi", "mkv")),
}


@functools.cache
def film(edge: int = EDGE) -> np.ndarray:
    """(T, H, W, 3) uint8: no two frames alike, with cuts and a still part."""
    rng = np.random.default_rng(0)
    base = rng.integers(0, 255, (3, edge // 4, edge // 4, 3)).repeat(4, 1).repeat(4, 2)
    out = np.stack([np.roll(base[t // 20], 2 * t, axis=1) for t in range(FRAMES)])
    out[30:34] = out[30]
    out[:, :4, :FRAMES] = 0
    for t in range(FRAMES):
        out[t, :4, : t + 1] = 255  # a bar as long as the time
    return out.astype(np.uint8)


def encode(path: Path, codec: str, options: dict[str, str]) -> Path:
    with av.open(str(path), "w") as file:
        rate = Fraction(FPS)
        stream: Any = file.add_stream(codec, rate=rate, options=options)
        size = (288, 352) if codec == "h263" else (EDGE, EDGE)
        stream.height, stream.width = size
        stream.pix_fmt = PIXELS.get(codec, "yuv420p")
        for number, pixels in enumerate(film()):
            whole = np.zeros((*size, 3), np.uint8)
            whole[:EDGE, :EDGE] = pixels
            frame = av.VideoFrame.from_ndarray(whole, format="rgb24")
            frame.pts, frame.time_base = number, 1 / rate
            file.mux(stream.encode(frame))
        file.mux(stream.encode())
    return path


def cut(whole: Path, path: Path, key: int = 1) -> Path | None:
    """Copy the packets from a later key frame on, without decoding; None if that can't be."""
    try:
        return _cut(whole, path, key)
    except av.FFmpegError:
        return None


def _cut(whole: Path, path: Path, key: int) -> Path | None:
    with av.open(str(whole)) as source, av.open(str(path), "w") as file:
        old = source.streams.video[0]
        new, keys, start = file.add_stream_from_template(old, opaque=True), 0, None
        for packet in source.demux(old):
            keys += packet.is_keyframe
            if keys <= key or packet.dts is None or packet.pts is None:
                continue
            start = packet.dts if start is None else start
            packet.dts -= start
            packet.pts -= start
            packet.stream = new
            file.mux(packet)
    return None if start is None else path


def compare(path: Path) -> str:
    """Read a file in every way; return what differs from a plain pass, '' for nothing."""
    info = verify_decodable(path)
    plain = fetch_frames(path, info, range(info.frames)).pixels
    for index in range(info.frames) if info.seekable else (0, info.frames - 1):
        sought = fetch_frames(path, info, [index], verified=True)
        if not np.array_equal(sought.pixels[0], plain[index]):
            return f"frame {index} of {info.frames} is another by seeking"
    for count in range(2, 33):
        middles = interval_midpoints(info.duration_seconds, count)
        nearest = [info.nearest(time) for time in middles]
        sampled = FrameSampling(frames=count).sample(path, verified=True)
        if not np.array_equal(sampled.pixels, plain[nearest]):
            return f"{count} frames are others by seeking"
        if sampled.pts_seconds != tuple(info.pts_seconds[i] for i in nearest):
            return f"{count} frames have other times by seeking"
    return ""


def films(folder: Path, codec: str, forms: int | None = None) -> Iterator[Path]:
    """Write a codec's films, whole and cut, in its first `forms` containers."""
    kinds, containers = ALL[codec]
    for kind in kinds:
        for form in containers[:forms]:
            whole = encode(folder / f"{kind}.{form}", codec, kinds[kind])
            yield whole
            part = cut(whole, folder / f"{kind}-cut.{form}")
            if part is not None:
                yield part
