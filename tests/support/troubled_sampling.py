"""A sampling whose decoder dies, hangs or is slow where a file's name says so."""

from __future__ import annotations

import os
import signal
import time

import numpy as np

from storm.errors import UnreadableVideo
from storm.videos.decoding.sampling import FrameSampling, Look


class Troubled(FrameSampling):
    """Its frames hold the number that begins the name."""

    def look(self, look: Look, *, whole: bool = False) -> tuple[np.ndarray, tuple[float, ...]]:
        number, _, trouble = look.path.stem.partition("-")
        if trouble == "dies":
            os.kill(os.getpid(), signal.SIGSEGV)
        elif trouble == "hangs":
            time.sleep(60)
        elif trouble == "bad":
            raise UnreadableVideo("damaged", "as it was made")
        elif trouble == "told":
            look.path.touch()
        return np.full((1, 1, 1, 3), int(number), np.uint8), (0.0,)
