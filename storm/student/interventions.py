"""What may be done to the latents between question and answer, for a whole batch at once.

The student rolls out as always; then `apply` says what stands in the latent span instead, and
the span is read in again before the answer. `Keep` is the no-op that shows this is exact.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from storm.errors import DataError

if TYPE_CHECKING:
    from storm.student.batch import Batch


class Intervention:
    hides_video = False  # from the answer; the latents still saw it

    def apply(self, latents: torch.Tensor, batch: Batch) -> torch.Tensor:
        """(B, K, d) own latents -> (B, n, d) what the answer is given."""
        raise NotImplementedError


@dataclass(frozen=True)
class Keep(Intervention):
    """The latents themselves, read in again."""

    def apply(self, latents: torch.Tensor, batch: Batch) -> torch.Tensor:
        return latents


@dataclass(frozen=True)
class Zero(Intervention):
    """Zero vectors."""

    def apply(self, latents: torch.Tensor, batch: Batch) -> torch.Tensor:
        return torch.zeros_like(latents)


@dataclass(frozen=True, eq=False)
class Given(Intervention):
    """These vectors: (K, d) for every row, or (B, K, d), for instance a donor's latents."""

    latents: torch.Tensor

    def apply(self, latents: torch.Tensor, batch: Batch) -> torch.Tensor:
        if self.latents.shape not in (latents.shape, latents.shape[1:]):
            raise DataError(
                f"expected latents {tuple(latents.shape)} or {tuple(latents.shape[1:])} to put in, "
                f"found {tuple(self.latents.shape)}"
            )
        return self.latents.to(latents).expand_as(latents)


@dataclass(frozen=True, eq=False)
class Mean(Given):
    """The mean latents (K, d) of other questions."""


@dataclass(frozen=True)
class Noise(Intervention):
    """Gaussian vectors as long as the row's own latents; the same for the same seed and batch."""

    seed: int = 0

    def apply(self, latents: torch.Tensor, batch: Batch) -> torch.Tensor:
        generator = torch.Generator().manual_seed(self.seed)
        noise = torch.randn(latents.shape, generator=generator).to(latents)
        return noise * latents.float().square().mean(2, keepdim=True).sqrt().to(latents)


@dataclass(frozen=True)
class Swap(Intervention):
    """Row i is given the latents of row `rows[i]` of the same batch."""

    rows: Sequence[int]

    def apply(self, latents: torch.Tensor, batch: Batch) -> torch.Tensor:
        if len(self.rows) != len(latents) or not all(0 <= r < len(latents) for r in self.rows):
            raise DataError(
                f"expected a donor row 0 to {len(latents) - 1} for each of {len(latents)} rows, "
                f"found {list(self.rows)}"
            )
        return latents[list(self.rows)]


@dataclass(frozen=True)
class Permute(Intervention):
    """Slot i is given the latent of slot `order[i]`."""

    order: Sequence[int]

    def apply(self, latents: torch.Tensor, batch: Batch) -> torch.Tensor:
        if sorted(self.order) != list(range(latents.shape[1])):
            raise DataError(f"expected an order of {latents.shape[1]} slots, found {self.order}")
        return latents[:, list(self.order)]


@dataclass(frozen=True)
class Drop(Intervention):
    """Only the first `keep` latents, between the markers."""

    keep: int = 0

    def apply(self, latents: torch.Tensor, batch: Batch) -> torch.Tensor:
        return latents[:, : self.keep]


@dataclass(frozen=True)
class Oracle(Intervention):
    """The examples' targets."""

    def apply(self, latents: torch.Tensor, batch: Batch) -> torch.Tensor:
        if batch.targets is None or not bool(batch.has_targets.all()):
            raise DataError(
                "expected targets in every example for oracle latents, found some without"
            )
        return batch.targets.to(latents)


@dataclass(frozen=True)
class HideVideo(Intervention):
    """The answer can't look at the video's tokens; the question and the latents did."""

    hides_video = True

    def apply(self, latents: torch.Tensor, batch: Batch) -> torch.Tensor:
        return latents
