"""Interventions on the latents between question and answer, for a whole batch at once.

While the student rolls out, `feed` may change what it reads at a step, and the rollout goes on from
there. Then `apply` returns what replaces its latents, and the span is read in again before the
answer. `Reinsert` is the no-op that shows this is exact.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from storm.errors import ConfigError, DataError

if TYPE_CHECKING:
    from storm.student.batch import Batch


class Intervention:
    """Base class: reads the row's own latents in again.

    Attributes:
        hides_video: Hide the video from the end marker and the answer; the latents still saw it.
        hides_latents: Hide the latents from the end marker and the answer, whose positions stay.
        sweeps: Jacobi sweeps that find the latents; None: K steps, or as `generate` is told.
    """

    hides_video = False
    hides_latents = False
    sweeps: int | None = None

    def feed(self, latents: torch.Tensor, first: int) -> torch.Tensor:
        """Return what the rollout reads in the place of its latents, and goes on from.

        Args:
            latents: The rows' latents of the slots from `first` (counted from 0) on, (B, n, d).
            first: The first of these slots; K steps ask slot by slot, a sweep for all at once.

        Returns:
            (B, n, d).

        Raises:
            DataError: If the intervention does not fit the batch.
        """
        return latents

    def apply(self, latents: torch.Tensor, batch: Batch) -> torch.Tensor:
        """Return what replaces the rows' latents.

        Args:
            latents: The rows' own latents, (B, K, d).
            batch: The batch that they were rolled out for.

        Returns:
            Latents for the answer, (B, n, d).

        Raises:
            DataError: If the intervention does not fit the batch.
        """
        return latents

    def of_rows(self, rows: Sequence[int]) -> Intervention:
        """Return the same intervention for a batch that holds only these rows."""
        return self


@dataclass(frozen=True)
class Reinsert(Intervention):
    """The row's own latents, read in again."""


@dataclass(frozen=True)
class Zero(Intervention):
    """Zero vectors."""

    def apply(self, latents: torch.Tensor, batch: Batch) -> torch.Tensor:
        """Return what replaces the latents; see `Intervention.apply`."""
        return torch.zeros_like(latents)


@dataclass(frozen=True, eq=False)
class GivenLatents(Intervention):
    """Base class of those that put in given latents: (K, d) for every row, or (B, K, d)."""

    latents: torch.Tensor

    def given(self, rows: int, k: int, width: int) -> torch.Tensor:
        """Return the given latents (rows, k, width); raise DataError if they are others."""
        shape = (rows, k, width)
        if self.latents.shape not in (shape, shape[1:]):
            raise DataError(
                f"expected latents {shape} or {shape[1:]} to put in, "
                f"found {tuple(self.latents.shape)}"
            )
        return self.latents.expand(shape)

    def of_rows(self, rows: Sequence[int]) -> Intervention:
        """Return it for these rows; see `Intervention.of_rows`."""
        if self.latents.ndim == 2:
            return self
        if max(rows) >= len(self.latents):
            raise DataError(
                f"expected latents for each question, found {len(self.latents)} and a question "
                f"number {max(rows)}, counted from 0"
            )
        return dataclasses.replace(self, latents=self.latents[list(rows)])


@dataclass(frozen=True, eq=False)
class Replace(GivenLatents):
    """Given vectors, e.g. a donor's latents."""

    def apply(self, latents: torch.Tensor, batch: Batch) -> torch.Tensor:
        """Return what replaces the latents; see `Intervention.apply`."""
        rows, k, width = latents.shape
        return self.given(rows, k, width).to(latents)


@dataclass(frozen=True, eq=False)
class Mean(Replace):
    """The mean latents (K, d) of other questions."""


@dataclass(frozen=True, eq=False)
class Patch(GivenLatents):
    """One latent of a donor, z_`slot` (1 to K), put in at its step; the rollout goes on from it.

    Latents before the slot are the row's own, those after it follow from the donor's: what the
    answer says tells whether that one latent held a state and whether later steps updated it.
    """

    slot: int

    def __post_init__(self) -> None:
        k = self.latents.shape[-2]
        if not 1 <= self.slot <= k:
            raise DataError(f"expected a slot of 1 to {k} to patch, found {self.slot}")

    def feed(self, latents: torch.Tensor, first: int) -> torch.Tensor:
        """Return the donor's latent at the slot; see `Intervention.feed`."""
        rows, count, width = latents.shape
        place = self.slot - 1 - first
        if not 0 <= place < count:
            return latents
        given = self.given(rows, self.latents.shape[-2], width).to(latents)
        own = torch.arange(count, device=latents.device)[:, None] != place
        return torch.where(own, latents, given[:, self.slot - 1 : self.slot])

    def apply(self, latents: torch.Tensor, batch: Batch) -> torch.Tensor:
        """Return the latents of the patched rollout; see `Intervention.apply`."""
        rows, k, width = latents.shape
        self.given(rows, k, width)  # a donor with another K is refused
        return latents


@dataclass(frozen=True)
class Sweeps(Intervention):
    """Latents found by fewer Jacobi sweeps than steps; K of them change nothing."""

    sweeps: int  # pyright: ignore[reportIncompatibleVariableOverride]

    def __post_init__(self) -> None:
        if self.sweeps < 1:
            raise ConfigError(f"expected at least one sweep, found {self.sweeps = }")


@dataclass(frozen=True)
class Noise(Intervention):
    """Gaussian vectors of the same norm, drawn from the seed and the prompt."""

    seed: int = 0

    def apply(self, latents: torch.Tensor, batch: Batch) -> torch.Tensor:
        """Return what replaces the latents; see `Intervention.apply`."""
        drawn = []
        for ids, valid in zip(batch.ids.cpu(), batch.valid.cpu(), strict=True):
            prompt = ids[valid].numpy().tobytes()
            seed = hashlib.sha256(prompt + str(self.seed).encode()).digest()[:7]
            generator = torch.Generator().manual_seed(int.from_bytes(seed, "big"))
            drawn.append(torch.randn(latents.shape[1:], generator=generator))
        size = latents.float().square().mean(2, keepdim=True).sqrt()
        return torch.stack(drawn).to(latents) * size.to(latents)


@dataclass(frozen=True)
class Swap(Intervention):
    """Row i gets the latents of row `rows[i]` of the same batch."""

    rows: Sequence[int]

    def apply(self, latents: torch.Tensor, batch: Batch) -> torch.Tensor:
        """Return what replaces the latents; see `Intervention.apply`."""
        if len(self.rows) != len(latents) or not all(0 <= r < len(latents) for r in self.rows):
            raise DataError(
                f"expected a donor row 0 to {len(latents) - 1} for each of {len(latents)} rows, "
                f"found {list(self.rows)}"
            )
        return latents[list(self.rows)]

    def of_rows(self, rows: Sequence[int]) -> Intervention:
        """Return it for these rows; see `Intervention.of_rows`."""
        place = {row: i for i, row in enumerate(rows)}
        donors = [self.rows[row] if row < len(self.rows) else -1 for row in rows]
        if not all(donor in place for donor in donors):
            raise DataError(
                "expected each row's donor in its own batch, found one in another: ask for the "
                "latents first, then give Replace(latents[donors])"
            )
        return Swap([place[donor] for donor in donors])


@dataclass(frozen=True)
class Permute(Intervention):
    """Slot i gets the latent of slot `order[i]`; without an order, slots are reversed."""

    order: Sequence[int] | None = None

    def apply(self, latents: torch.Tensor, batch: Batch) -> torch.Tensor:
        """Return what replaces the latents; see `Intervention.apply`."""
        if self.order is None:
            return latents.flip(1)
        if sorted(self.order) != list(range(latents.shape[1])):
            raise DataError(f"expected an order of {latents.shape[1]} slots, found {self.order}")
        return latents[:, list(self.order)]


@dataclass(frozen=True)
class Truncate(Intervention):
    """Only the first `keep` latents between the markers; later positions move up."""

    keep: int

    def apply(self, latents: torch.Tensor, batch: Batch) -> torch.Tensor:
        """Return what replaces the latents; see `Intervention.apply`."""
        if not 0 <= self.keep <= latents.shape[1]:
            raise DataError(
                f"expected to keep 0 to {latents.shape[1]} latents, found {self.keep}: the "
                "checkpoint's K is the most there are"
            )
        return latents[:, : self.keep]


@dataclass(frozen=True)
class RemoveAll(Truncate):
    """No latents between the markers."""

    keep: int = 0


@dataclass(frozen=True)
class Oracle(Intervention):
    """The examples' latent targets."""

    def apply(self, latents: torch.Tensor, batch: Batch) -> torch.Tensor:
        """Return what replaces the latents; see `Intervention.apply`."""
        if batch.targets is None or not bool(batch.has_targets.all()):
            raise DataError(
                "expected targets in every example for oracle latents, found some without"
            )
        return batch.targets.to(latents)


@dataclass(frozen=True)
class HideVideo(Intervention):
    """The answer can't attend to the video; the question and the latents did."""

    hides_video = True


@dataclass(frozen=True)
class HideLatents(Intervention):
    """The answer can't attend to the latents; it can to the video."""

    hides_latents = True
