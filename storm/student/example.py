"""One row for the student: a question about videos and, in training, its answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from storm.config import LETTERS
from storm.errors import DataError
from storm.records import VideoFeatures
from storm.tensors import from_numpy, to_numpy


@dataclass(frozen=True)
class VideoTokens:
    """Output of the vision encoder for one video's frames."""

    tokens: torch.Tensor  # (video tokens, hidden)
    grid_thw: tuple[int, int, int]  # patches in time, height and width before merging
    pts_seconds: tuple[float, ...]  # of the frames
    deepstack: tuple[
        torch.Tensor, ...
    ] = ()  # (video tokens, hidden) per layer, if the family has it

    def packed(self) -> np.ndarray:
        """Return `VideoFeatures.tokens`: (video tokens, hidden * (1 + deepstack layers))."""
        return to_numpy(torch.cat([self.tokens, *self.deepstack], 1))

    @classmethod
    def of(cls, row: VideoFeatures, hidden_size: int) -> VideoTokens:
        """Return the tokens of a stored row; the inverse of `packed`."""
        packed = from_numpy(row.tokens)
        if packed.ndim != 2 or packed.shape[1] == 0 or packed.shape[1] % hidden_size:
            raise DataError(
                f"expected features of video {row.id!r} as (tokens, n * {hidden_size}), found "
                f"{tuple(packed.shape)}: make video_features with this student"
            )
        tokens, *deepstack = packed.split(hidden_size, dim=1)
        return cls(tokens, tuple(row.grid_thw), tuple(row.pts_seconds), tuple(deepstack))  # pyright: ignore


@dataclass(frozen=True)
class Example:
    """One row: videos, a prompt and, in training, its answer."""

    videos: tuple[VideoTokens, ...] = ()
    prompt: str = ""  # the user's text after the videos
    answer: str | None = None  # None at inference
    targets: torch.Tensor | None = None  # (K, hidden): fed in teacher forcing, aligned with
    latent_video: VideoTokens | None = None  # K tokens to feed where there are no targets
    use_latents: bool = True
    system: str | None = None  # the system's turn, instead of the family's own; '' for none

    @property
    def feed(self) -> torch.Tensor | None:
        """What teacher forcing shows in the latent span, (K, hidden)."""
        if self.targets is not None or self.latent_video is None:
            return self.targets
        return self.latent_video.tokens


def prompt_of(question: str, options: Sequence[str] = ()) -> str:
    """Return the user's text: the question, then its options with letters, one a line."""
    lines = [f"{letter}. {text}" for letter, text in zip(LETTERS, options, strict=False)]
    return "\n".join([question, *lines])
