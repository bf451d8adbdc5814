"""Two thought videos and their targets; each frame is one gray of its own."""

from __future__ import annotations

import numpy as np
from artifact_writer import write_artifact

from storm.artifacts.artifact import Artifact
from storm.artifacts.fs import sha256_file
from storm.artifacts.store import Store
from storm.records import LatentTarget, ThoughtVideo
from storm.videos.decoding.encode import encode_mp4
from storm.videos.decoding.sampling import FrameSampling

FRAMES = 8
QUESTIONS = ("first", "second")


def gray_of(question: int, frame: int) -> int:
    """Return the value of every pixel of that frame."""
    return 20 + 110 * question + 12 * frame


def write_thoughts(store: Store, latents: np.ndarray) -> Artifact:
    """Write `latent_targets` with latents (2, K, d), and the thought videos they are made from."""
    folder = write_artifact(store, "thought_videos").path
    clips = []
    for number, question in enumerate(QUESTIONS):
        grays = np.array([gray_of(number, t) for t in range(FRAMES)], np.uint8)
        path = folder / f"{question}.mp4"
        encode_mp4(path, np.tile(grays[:, None, None, None], (1, 64, 64, 3)), 8.0)
        clips.append(
            ThoughtVideo(
                id=question,
                blob=path.name,
                sha256=sha256_file(path),
                frames=FRAMES,
                fps=8.0,
                height_px=64,
                width_px=64,
                seed=0,
            )
        )
    shown = write_artifact(store, "thought_videos", clips)
    targets = [LatentTarget(id=q, latents=x) for q, x in zip(QUESTIONS, latents, strict=True)]
    sampling = FrameSampling(frames=FRAMES).model_dump()
    return write_artifact(
        store, "latent_targets", targets, shown, configuration={"sampling": sampling}
    )
