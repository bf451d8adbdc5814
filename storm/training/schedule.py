"""The learning rate as a pure function of the step: linear warm-up, then a cosine."""

from __future__ import annotations

import math


def learning_rate(
    step: int, *, steps: int, peak: float, warmup_steps: int, min_lr_ratio: float
) -> float:
    """Return the rate of a step (from 0): up to `peak`, then down to `peak * min_lr_ratio`."""
    if step < warmup_steps:
        return peak * (step + 1) / warmup_steps
    progress = (step - warmup_steps) / max(1, steps - 1 - warmup_steps)
    cosine = 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))
    return peak * (min_lr_ratio + (1 - min_lr_ratio) * cosine)
