"""One file's frames, decoded in a child with limits: for videos that nobody has checked."""

from __future__ import annotations

import resource
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from storm.errors import ChildFailed, UnreadableVideo
from storm.process.run_child import Event, run_child
from storm.videos.decoding.sampling import FrameSampling
from storm.videos.frames import VideoFrames

MAX_MEMORY_BYTES = 16 << 30  # address space; decoders map far more than they use
MAX_SECONDS = 900.0


def sample_isolated(sampling: FrameSampling, path: Path) -> VideoFrames:
    """Frames of a file, decoded in a child process.

    Raises UnreadableVideo, also where the decoder dies or takes more than MAX_SECONDS.
    """
    with tempfile.TemporaryDirectory(prefix="storm-decode-") as folder:
        pixels, found = Path(folder) / "frames.npy", dict[str, Any]()
        try:
            run_child(
                _sample,
                (sampling, path.absolute(), pixels),
                on_event=found.update,
                log=Path(folder) / "log",
                stall_seconds=MAX_SECONDS,
            )
        except ChildFailed as end:
            raise UnreadableVideo(end.reason, f"the decoder ended without frames: {path}") from None
        if "unreadable" in found:
            raise UnreadableVideo(*found["unreadable"])
        return VideoFrames(np.load(pixels), tuple(found["pts_seconds"]), found["seconds"])


def limit_process() -> None:
    """Bound what this process, which is about to decode, may take; it leaves no core file."""
    resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY_BYTES, MAX_MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _sample(sampling: FrameSampling, path: Path, out: Path, emit: Any) -> None:
    """In the child."""
    limit_process()
    try:
        frames = sampling.sample(path)
    except UnreadableVideo as fault:
        event: Event = {"unreadable": [fault.reason, fault.detail]}
    else:
        event = {"pts_seconds": frames.pts_seconds, "seconds": frames.decode_seconds}
        np.save(out, frames.pixels)
    emit(event)
