"""The stage `latent_targets`: thought videos, encoded by the student and pooled to K vectors."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from storm.artifacts.stage import Context, Stage
from storm.artifacts.store import Store
from storm.features.thought_features import ThoughtFeaturesStage, ThoughtVideoEncoding
from storm.latent_targets.pooling import Pool, Pooling
from storm.records import LatentTarget, Rejected
from storm.tensors import from_numpy, to_numpy

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, kw_only=True)
class LatentTargetsStage(ThoughtVideoEncoding, Stage[LatentTarget]):
    """Thought videos through the student's frozen vision encoder, pooled to K vectors.

    Pooled in float32 and stored in the training dtype.
    """

    name: ClassVar[str] = "latent_targets"
    version: ClassVar[int] = 2
    row: ClassVar[type] = LatentTarget

    k: int
    pooling: Pooling

    def make(self, ids: Sequence[str], context: Context) -> Iterator[LatentTarget | Rejected]:
        """Yield the target of each thought video."""
        pool = self.pooling.build(self.k)
        return self.encode(ids, context, lambda i, v: _target(i, pool, v.tokens, v.grid_thw))


@dataclass(frozen=True, kw_only=True)
class PooledTargetsStage(LatentTargetsStage):
    """The same targets, bit for bit, from tokens that `thought_features` kept."""

    features: ThoughtFeaturesStage

    def items(self, store: Store) -> Iterable[tuple[str, tuple[str, ...]]]:
        """Return each clip's id and key: its row of features."""
        return [(i, (row,)) for i, row in self.features.artifact(store).index().items()]

    def make(self, ids: Sequence[str], context: Context) -> Iterator[LatentTarget]:
        """Yield the target of each row of features."""
        pool = self.pooling.build(self.k)
        for row in self.features.rows(context.store, set(ids)):
            context.begin([row.id])
            yield _target(row.id, pool, from_numpy(row.tokens), row.grid_thw)


def _target(
    item_id: str, pool: Pool, tokens: torch.Tensor, grid_thw: tuple[int, int, int]
) -> LatentTarget:
    """Return the target of a clip's tokens (N, hidden)."""
    latents = pool(tokens.float(), grid_thw).to(tokens.dtype)  # (K, hidden)
    return LatentTarget(id=item_id, latents=to_numpy(latents))
