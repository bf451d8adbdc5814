"""A video that lies as a folder of pictures, one a frame, as some data sets have it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from storm.errors import UnreadableVideo
from storm.videos.frames import VideoFrames

_ENDINGS = (".jpg", ".jpeg", ".png")


@dataclass(frozen=True)
class FrameFolder:
    """Pictures in the order of their names, the first one at 0 s."""

    paths: tuple[Path, ...]
    fps: float
    height_px: int  # of the first; the others are made alike
    width_px: int

    @classmethod
    def open(cls, folder: Path, fps: float) -> FrameFolder:
        """Open a folder; raise UnreadableVideo (`missing`, `no_frames` or `damaged`)."""
        if not folder.is_dir():
            raise UnreadableVideo("missing", f"expected a folder of frames, found none: {folder}")
        paths = tuple(sorted(p for p in folder.iterdir() if p.suffix.lower() in _ENDINGS))
        if not paths:
            raise UnreadableVideo("no_frames", f"expected pictures, found none: {folder}")
        height, width = _read(paths[0]).shape[:2]
        return cls(paths, fps, height, width)

    @property
    def duration_seconds(self) -> float:
        """Seconds from the first frame to the end of the last."""
        return len(self.paths) / self.fps

    def frames_at(self, times: Sequence[float], max_edge_px: int | None) -> VideoFrames:
        """Return the frame nearest to each time."""
        last = len(self.paths) - 1
        numbers = [min(last, max(0, round(time * self.fps))) for time in times]
        scale = min(1.0, (max_edge_px or np.inf) / max(self.height_px, self.width_px))
        size = (max(1, round(self.width_px * scale)), max(1, round(self.height_px * scale)))
        read = {n: _read(self.paths[n], size) for n in dict.fromkeys(numbers)}
        pixels = np.stack([read[n] for n in numbers])
        return VideoFrames(pixels, tuple(n / self.fps for n in numbers))


def _read(path: Path, size: tuple[int, int] | None = None) -> np.ndarray:
    """(H, W, 3) uint8 RGB, scaled to `size` (width, height)."""
    from PIL import Image

    try:
        with Image.open(path, formats=["JPEG", "PNG"]) as picture:
            shown = picture.convert("RGB")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise UnreadableVideo("damaged", f"{error}: {path}") from None
    if size is not None and shown.size != size:
        shown = shown.resize(size, Image.Resampling.BICUBIC)
    return np.asarray(shown)
