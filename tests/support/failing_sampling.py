"""A sampling that dies, hangs or fails where a file's name says so."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import numpy as np

from storm.errors import UnreadableVideo
from storm.videos.decoding.sampling import FrameSampling, Segment
from storm.videos.frames import VideoFrames


class FailingSampling(FrameSampling):
    """Its frames hold the number that begins the name."""

    def sample(self, video: Path | Segment, *, verified: bool = False) -> VideoFrames:
        path = video if isinstance(video, Path) else video.path
        number, _, trouble = path.stem.partition("-")
        if trouble == "dies":
            os.kill(os.getpid(), signal.SIGSEGV)
        elif trouble == "hangs":
            time.sleep(60)
        elif trouble == "bad":
            raise UnreadableVideo("damaged", "as it was made")
        elif trouble == "touch":
            path.touch()
        return VideoFrames(np.full((1, 1, 1, 3), int(number), np.uint8), (0.0,))
