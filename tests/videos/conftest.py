"""Videos made on the spot, whole and damaged."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest

from storm.videos.decoding.encode import encode_mp4


@pytest.fixture(scope="session")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """54 frames of 64 x 64 at 12 a second, H.264."""
    path = tmp_path_factory.mktemp("film") / "film.mp4"
    encode_mp4(path, draw(), 12)
    return path


@pytest.fixture
def root(tmp_path: Path, film: Path) -> Path:
    """A folder with three videos: a and b have equal bytes, c lies deeper."""
    folder = tmp_path / "data"
    (folder / "sub").mkdir(parents=True)
    for name in ("a.mp4", "b.mp4", "sub/c.mp4"):
        (folder / name).write_bytes(film.read_bytes() + b"\0\0\0\x08free" * len(name))
    return folder


def draw(frames: int = 54, height: int = 64, width: int = 64) -> np.ndarray:
    """A bright square that goes from left to right over a grey slope."""
    slope = np.linspace(40, 120, height)[:, None, None] + np.zeros((height, width, 3))
    out = np.repeat(slope[None], frames, 0)
    for t in range(frames):
        left = round(t * (width - 12) / max(1, frames - 1))
        out[t, height // 3 : height // 3 + 12, left : left + 12] = (230, 60, 40)
    return out.astype(np.uint8)


def encode(
    path: Path,
    frames: np.ndarray,
    codec: str,
    pixels: str = "yuv420p",
    x264: dict[str, str] | None = None,
    **options: str,
) -> Path:
    """Frames in any codec and container, 25 a second; `options` are the container's."""
    with av.open(str(path), "w", container_options=options) as container:
        stream = container.add_stream(codec, rate=25, options=x264)
        stream.height, stream.width, stream.pix_fmt = *frames.shape[1:3], pixels
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())
    return path


@pytest.fixture(scope="session")
def moving() -> Callable[..., np.ndarray]:
    return draw


@pytest.fixture(scope="session")
def write() -> Callable[..., Path]:
    return encode
