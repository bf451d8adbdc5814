"""Two thought videos and their targets, so plain that their frames can be told apart."""

from __future__ import annotations

import numpy as np
from sealed_by_hand import seal_by_hand

from storm.artifacts.artifact import Artifact
from storm.artifacts.fs import sha256_file
from storm.artifacts.store import Store
from storm.records import LatentTarget, ThoughtVideo
from storm.videos.decoding.encode import encode_mp4
from storm.videos.decoding.sampling import FrameSampling

FRAMES = 8
QUESTIONS = ("first", "second")


def grey_of(question: int, frame: int) -> int:
    """What every pixel of that frame is."""
    return 20 + 110 * question + 12 * frame


def thoughts(store: Store, latents: np.ndarray) -> Artifact:
    """The artifact `latent_targets` for latents (2, K, d), and the thought videos behind it."""
    folder = seal_by_hand(store, "thought_videos").path
    clips = []
    for number, question in enumerate(QUESTIONS):
        greys = np.array([grey_of(number, t) for t in range(FRAMES)], np.uint8)
        path = folder / f"{question}.mp4"
        encode_mp4(path, np.tile(greys[:, None, None, None], (1, 64, 64, 3)), 8.0)
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
    shown = seal_by_hand(store, "thought_videos", clips)
    targets = [LatentTarget(id=q, latents=x) for q, x in zip(QUESTIONS, latents, strict=True)]
    sampling = FrameSampling(frames=FRAMES).model_dump()
    return seal_by_hand(
        store, "latent_targets", targets, shown, configuration={"sampling": sampling}
    )
