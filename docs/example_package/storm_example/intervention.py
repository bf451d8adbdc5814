"""An intervention: the latents at half their length."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from storm.student.interventions import Intervention

if TYPE_CHECKING:
    import torch

    from storm.student.batch import Batch


@dataclass(frozen=True)
class Halve(Intervention):
    """Multiply every latent by one half."""

    def apply(self, latents: torch.Tensor, batch: Batch) -> torch.Tensor:
        """Return the latents (B, K, d) that the answer reads instead of the student's own."""
        return latents / 2
