"""Nearest training targets of latent states, and the thought-video frames behind them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from storm.artifacts.artifact import Artifact
from storm.artifacts.store import upstream
from storm.errors import DataError
from storm.records import LatentTarget, ThoughtVideo
from storm.tensors import from_numpy
from storm.videos.decoding.sampling import FrameSampling


@dataclass(frozen=True, eq=False)
class NearestFrame:
    """The training target nearest to one latent state, among the targets of the same slot."""

    slot: int  # from 0
    question_id: str  # whose target it is
    distance: float  # from the latent, in lengths of the target: 0 is the target itself
    frame: np.ndarray  # (H, W, 3) uint8: the middle one of that thought video in the slot


def nearest_targets(
    latents: np.ndarray, targets: Sequence[LatentTarget]
) -> list[tuple[str, float]]:
    """Return the nearest question's id and relative distance for each of the latents (K, d).

    Raises:
        DataError: If the targets have another K or width.
    """
    if not targets or targets[0].latents.shape != latents.shape:
        shape = targets[0].latents.shape if targets else "none"
        raise DataError(
            f"expected targets of the latents' shape {latents.shape}, found {shape}: give the "
            "latent_targets that this checkpoint was trained with"
        )
    stacked = np.stack([from_numpy(t.latents).float().numpy() for t in targets])  # (N, K, d)
    gaps = np.linalg.norm(stacked - latents[None], axis=2)  # (N, K)
    best = gaps.argmin(0)
    lengths = np.linalg.norm(stacked, axis=2)
    return [
        (targets[row].id, float(gaps[row, slot] / max(float(lengths[row, slot]), 1e-12)))
        for slot, row in enumerate(best)
    ]


def nearest_training_frames(latents: np.ndarray, targets: Artifact) -> list[NearestFrame]:
    """Return the nearest training frame of each latent (K, d).

    Slot i of K stands for the i-th of K equal parts of a clip's sampled frames.

    Args:
        latents: Latent states of one answer.
        targets: The artifact `latent_targets`; its thought videos are among its inputs.
    """
    clips = upstream(targets, "thought_videos")
    encoded = FrameSampling.model_validate(targets.manifest()["configuration"]["sampling"])
    sampling = FrameSampling(frames=encoded.frames)  # at full size: this is for people
    blobs: dict[str, Path] = {c.id: clips.path / c.blob for c in clips.rows(ThoughtVideo)}
    pixels: dict[str, np.ndarray] = {}  # by question
    nearest = []
    for slot, (question, distance) in enumerate(
        nearest_targets(latents, list(targets.rows(LatentTarget)))
    ):
        if question not in pixels:
            pixels[question] = sampling.sample(blobs[question]).pixels
        middle = int((slot + 0.5) * len(pixels[question]) / len(latents))
        nearest.append(NearestFrame(slot, question, distance, pixels[question][middle]))
    return nearest
