"""Rotary positions as Qwen trained them. Exported with each checkpoint: imports only torch."""

from __future__ import annotations

import torch


def continue_after_vision(positions: torch.Tensor, vision: torch.Tensor) -> torch.Tensor:
    """Return positions at which text after a video starts at their maximum + 1.

    transformers (at least 5.3 to 5.23) starts it max(height, width) after the video's start, which
    in Qwen2.5-VL is inside the video's time.

    Args:
        positions: Rotary positions of time, height and width, (3, n).
        vision: Whether a token is part of an image or a video, (n,).
    """
    positions = positions.clone()
    for last in (vision[:-1] & ~vision[1:]).nonzero()[:, 0].tolist():
        rest = positions[:, last + 1 :]
        rest += positions[:, : last + 1].max() + 1 - rest[0, 0]
    return positions
