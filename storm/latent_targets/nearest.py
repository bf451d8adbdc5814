"""What latent states look like: the nearest training targets, and the frames behind them."""

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
    """For each of the K latents (K, d), the nearest question's id and the relative distance.

    Raises DataError if the targets are of another K or width.
    """
    if not targets or targets[0].latents.shape != latents.shape:
        found = targets[0].latents.shape if targets else "none"
        raise DataError(
            f"expected targets of the latents' shape {latents.shape}, found {found}: give the "
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


def nearest_training_frames(latents: np.ndarray, made: Artifact) -> list[NearestFrame]:
    """One for each latent (K, d), from the artifact `latent_targets` and its thought videos.

    Slot i of K stands for the i-th of K equal parts of a clip's sampled frames.
    """
    clips = upstream(made, "thought_videos")
    seen = FrameSampling.model_validate(made.manifest()["configuration"]["sampling"])
    sampling = FrameSampling(frames=seen.frames)  # at full size: this is for people
    blobs: dict[str, Path] = {c.id: clips.path / c.blob for c in clips.rows(ThoughtVideo)}
    shown: dict[str, np.ndarray] = {}
    found = []
    for slot, (question, distance) in enumerate(
        nearest_targets(latents, list(made.rows(LatentTarget)))
    ):
        if question not in shown:
            shown[question] = sampling.sample(blobs[question]).pixels
        frame = shown[question][int((slot + 0.5) * len(shown[question]) / len(latents))]
        found.append(NearestFrame(slot, question, distance, frame))
    return found
