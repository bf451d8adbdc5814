"""A check of videos that one of them kills."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from storm.videos.questions.check import VideoSummary, summarize_video


def crash_on_one(path: Path, *, decode: bool) -> VideoSummary:
    """Die of the video `1.mp4`."""
    if path.name == "1.mp4":
        os.kill(os.getpid(), signal.SIGKILL)
    return summarize_video(path, decode=decode)
