"""Writing: frames to H.264 mp4, one frame to JPEG. Same frames, same bytes."""

from __future__ import annotations

import io
from fractions import Fraction
from pathlib import Path

import numpy as np

from storm.errors import DataError


def encode_mp4(
    path: str | Path, frames: np.ndarray, fps: float, crf: int = 23, preset: str = "medium"
) -> None:
    """Write (T, H, W, 3) uint8 RGB frames as H.264 yuv420p.

    Frame i is shown at i / fps. Odd sizes are made even by repeating the last row or column.
    Equal frames give equal bytes under one libx264: one thread, no dates or versions in the file,
    and no macroblock tree, whose vector code gives other bytes in one of fifty small clips.
    """
    import av
    from av.video.reformatter import VideoReformatter

    if frames.ndim != 4 or frames.shape[-1] != 3 or frames.dtype != np.uint8 or not len(frames):
        raise DataError(f"expected (T, H, W, 3) uint8 frames, found {frames.shape} {frames.dtype}")
    height, width = frames.shape[1:3]
    if height % 2 or width % 2:
        frames = np.pad(frames, ((0, 0), (0, height % 2), (0, width % 2), (0, 0)), mode="edge")
    rate = Fraction(fps).limit_denominator(1001)
    tuning = {"preset": preset, "crf": str(crf), "x264-params": "mbtree=0"}
    options = {"fflags": "+bitexact"}
    with av.open(str(path), "w", format="mp4", container_options=options) as container:
        stream = container.add_stream("libx264", rate=rate, options=tuning)
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = "yuv420p"
        stream.codec_context.thread_count = 1
        stream.codec_context.time_base = 1 / rate
        reformatter = VideoReformatter()
        for index, pixels in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")
            frame = reformatter.reformat(frame, format="yuv420p")
            frame.pts, frame.time_base = index, 1 / rate
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def jpeg(frame: np.ndarray) -> bytes:
    """(H, W, 3) uint8 RGB as JPEG, quality 95, colours at full resolution (4:4:4)."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(frame).save(buffer, "JPEG", quality=95, subsampling=0)
    return buffer.getvalue()


def unjpeg(data: bytes) -> np.ndarray:
    """Return the image in a JPEG, (H, W, 3) uint8 RGB."""
    from PIL import Image

    return np.asarray(Image.open(io.BytesIO(data), formats=["JPEG"]).convert("RGB"))
