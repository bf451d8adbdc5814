"""The learning rate as a pure function of the step: warm-up, then a cosine."""

from __future__ import annotations

import math


def learning_rate(
    step: int, *, steps: int, peak: float, warmup_steps: int, final_share: float
) -> float:
    """The rate of step `step` (from 0): linear up to `peak`, then down to `peak * final_share`."""
    if step < warmup_steps:
        return peak * (step + 1) / warmup_steps
    done = (step - warmup_steps) / max(1, steps - 1 - warmup_steps)
    cosine = 0.5 * (1 + math.cos(math.pi * min(1.0, done)))
    return peak * (final_share + (1 - final_share) * cosine)
