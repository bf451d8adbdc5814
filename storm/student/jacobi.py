"""Jacobi sweeps: all K latents in parallel, a few times, instead of one after another.

The method of PCCoT (parallel continuous chain of thought). Every slot starts from z_1, which the
prompt alone gives; a sweep reads all slots at once and gives each slot the next estimate of its
latent. A latent looks only at those before it, so after sweep t the first t + 1 are what the
sequential rollout gives, and K sweeps equal it in values and gradients.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch

from storm.errors import ConfigError
from storm.student.attention import PromptKV, StepKV
from storm.student.model import LatentModel


@dataclass(frozen=True)
class Jacobi:
    """A rollout by `sweeps` >= 1 parallel passes over the latent span; more than K change nothing.

    The last sweep also reads the end marker and the answer, which so look at its own keys and
    values. The latents of such a rollout are the vectors that this sweep read.
    """

    sweeps: int

    def __post_init__(self) -> None:
        if self.sweeps < 1:
            raise ConfigError(f"expected at least one sweep, found {self.sweeps = }")


def latents_before_last_sweep(
    student: LatentModel,
    prefix: PromptKV,
    hidden: torch.Tensor,
    positions: torch.Tensor,
    how: Jacobi,
    feed: Callable[[torch.Tensor, int], torch.Tensor] = lambda latents, first: latents,
) -> torch.Tensor:
    """Latents (B, K, d) for the last sweep to read.

    `hidden` (B, 1, d) at the start token, `positions` (3, B, K) of the slots; `feed` may change
    what is fed for latents (B, n, d) from slot `first` on.
    """
    k = student.k
    first = student.head(hidden)
    latents = first.expand(-1, k, -1)
    for _ in range(min(how.sweeps, k) - 1):
        read = feed(latents[:, :-1], 0)  # nothing follows from the last slot but the answer
        states = student.trunk(read, positions[:, :, : k - 1], None, StepKV(prefix))
        latents = torch.cat([first, student.head(states)], 1)
    return latents
