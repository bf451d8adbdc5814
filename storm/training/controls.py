"""Latent targets that are wrong on purpose: what a target must beat to be worth anything.

Each takes the targets of N questions, (N, K, hidden), and returns as many of the same shape.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch

from storm.training.data_order import cyclic_derangement, generator


def donors(videos: Sequence[str], seed: int) -> list[int]:
    """Return for each question one of another video, as numbers; each video gives to one other.

    Args:
        videos: The video of each question.
        seed: Of the order of the videos.

    Raises:
        DataError: If there are fewer than two videos.
    """
    by_video: dict[str, list[int]] = {}
    for number, video in enumerate(videos):
        by_video.setdefault(video, []).append(number)
    giver = cyclic_derangement(list(by_video), seed)
    found = [0] * len(videos)
    for video, numbers in by_video.items():
        given = by_video[giver[video]]
        for i, number in enumerate(numbers):
            found[number] = given[i % len(given)]
    return found


def shuffled(targets: torch.Tensor, videos: Sequence[str], seed: int) -> torch.Tensor:
    """Return the targets of another video's questions; see `donors`."""
    return targets[donors(videos, seed)]


def mean(targets: torch.Tensor) -> torch.Tensor:
    """Return the mean target of all questions for each of them; a slot keeps its own mean."""
    # torch's sum rounds by device and threads
    center = torch.from_numpy(targets.float().cpu().numpy().mean(0)).to(targets)
    return center.expand_as(targets)


def gaussian(targets: torch.Tensor, seed: int) -> torch.Tensor:
    """Return random directions, each vector as long as the target's."""
    drawn = generator("gaussian targets", seed).standard_normal(tuple(targets.shape))
    noise = torch.from_numpy(drawn).float()
    lengths = targets.float().cpu().norm(dim=-1, keepdim=True)
    return (noise / noise.norm(dim=-1, keepdim=True) * lengths).to(targets)


def control(
    kind: Literal["shuffled", "mean", "gaussian"],
    targets: torch.Tensor,
    videos: Sequence[str],
    seed: int,
) -> torch.Tensor:
    """Return the targets of a control that a profile names (`training.targets_from`)."""
    match kind:
        case "shuffled":
            return shuffled(targets, videos, seed)
        case "mean":
            return mean(targets)
        case "gaussian":
            return gaussian(targets, seed)


def repeated(vectors: torch.Tensor, k: int) -> torch.Tensor:
    """Return one vector for each question, (N, hidden), in all of its K slots."""
    return vectors[:, None].expand(-1, k, -1)
