"""The stages `latent_targets` and `thought_features`: thought videos as the student sees them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from storm.artifacts.stage import Context, Row, Stage
from storm.artifacts.store import Store
from storm.config import Dtype
from storm.errors import UnreadableVideo
from storm.features.video_features import load_student, tower_of
from storm.records import Checkpoint, LatentTarget, Rejected, VideoFeatures
from storm.tensors import from_numpy, to_numpy
from storm.thought_videos.stage import ThoughtVideosStage
from storm.videos.decoding.sampling import FrameSampling

if TYPE_CHECKING:
    import torch

    from storm.student import VideoTokens

Grid = tuple[int, int, int]  # patches in time, height and width before merging


@dataclass(frozen=True, kw_only=True)
class _Encoding:
    """What it takes to see thought videos as the student does; shared by both stages."""

    thought_videos: ThoughtVideosStage
    base: Stage[Checkpoint]
    sampling: FrameSampling  # of the thought video
    dtype: Dtype

    def items(self, store: Store) -> Iterable[tuple[str, tuple[str, ...]]]:
        tower = tower_of(self.base, store)
        clips = self.thought_videos.artifact(store).index()
        return [(item_id, (row, tower)) for item_id, row in clips.items()]

    def encoded(
        self, ids: Sequence[str], context: Context, row: Callable[[str, VideoTokens], Row]
    ) -> Iterator[Row | Rejected]:
        """A row of each clip's merged tokens; one at a time: no bit hangs on its neighbours."""
        student = load_student(self.base, context, self.dtype)
        root = self.thought_videos.artifact(context.store).path
        clips = {r.id: r.blob for r in self.thought_videos.rows(context.store, set(ids))}
        for item_id in context.each(ids):
            try:
                frames = self.sampling.sample(root / clips[item_id], verified=True)
            except UnreadableVideo as e:
                yield Rejected(id=item_id, reason=e.reason, detail=e.detail)
            else:
                yield row(item_id, student.encode_video(frames.pixels, frames.pts_seconds))


@dataclass(frozen=True, kw_only=True)
class ThoughtFeaturesStage(_Encoding, Stage[VideoFeatures]):
    """Unpooled tokens, kept so that K and pooling can be tried without encoding again."""

    name: ClassVar[str] = "thought_features"
    row: ClassVar[type] = VideoFeatures

    def make(self, ids: Sequence[str], context: Context) -> Iterator[VideoFeatures | Rejected]:
        return self.encoded(ids, context, _features)


@dataclass(frozen=True, kw_only=True)
class LatentTargetsStage(_Encoding, Stage[LatentTarget]):
    """Thought videos through the student's frozen tower and merger, pooled to K vectors.

    Pooled in float32 and stored in the training dtype.
    """

    name: ClassVar[str] = "latent_targets"
    version: ClassVar[int] = 2
    row: ClassVar[type] = LatentTarget

    k: int
    pooling: Any  # a Config of storm.latent_targets.pooling

    def make(self, ids: Sequence[str], context: Context) -> Iterator[LatentTarget | Rejected]:
        pool = self.pooling.build(self.k)
        return self.encoded(ids, context, lambda i, v: _target(i, pool, v.tokens, v.grid_thw))


@dataclass(frozen=True, kw_only=True)
class PooledTargetsStage(LatentTargetsStage):
    """The same targets, bit for bit, from tokens that were kept."""

    features: ThoughtFeaturesStage

    def items(self, store: Store) -> Iterable[tuple[str, tuple[str, ...]]]:
        return [(i, (row,)) for i, row in self.features.artifact(store).index().items()]

    def make(self, ids: Sequence[str], context: Context) -> Iterator[LatentTarget]:
        pool = self.pooling.build(self.k)
        for row in self.features.rows(context.store, set(ids)):
            context.begin([row.id])
            yield _target(row.id, pool, from_numpy(row.tokens), row.grid_thw)


def _features(item_id: str, video: VideoTokens) -> VideoFeatures:
    return VideoFeatures(
        id=item_id,
        tokens=to_numpy(video.tokens),
        grid_thw=video.grid_thw,
        pts_seconds=video.pts_seconds,
    )


def _target(item_id: str, pool: Any, tokens: torch.Tensor, grid: Grid) -> LatentTarget:
    """`tokens` (N, hidden) pooled to (K, hidden)."""
    latents = pool(tokens.float(), grid).to(tokens.dtype)
    return LatentTarget(id=item_id, latents=to_numpy(latents))
