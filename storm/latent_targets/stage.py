"""The stage `latent_targets`: what the K latent states of each question are aligned with."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from storm.records import Checkpoint, LatentTarget, Rejected
from storm.stage import Context, Stage
from storm.store import Store
from storm.thought_videos.stage import ThoughtVideosStage
from storm.video_features.stage import Dtype, load_student
from storm.videos.sampling import FrameSampling


@dataclass(frozen=True)
class LatentTargetsStage(Stage[LatentTarget]):
    """Thought videos through the student's frozen tower and merger, pooled to K vectors."""

    name: ClassVar[str] = "latent_targets"
    row: ClassVar[type] = LatentTarget

    thought_videos: ThoughtVideosStage
    base: Stage[Checkpoint]
    sampling: FrameSampling  # of the thought video
    pooling: Any  # a Config of storm.latent_targets.pooling
    dtype: Dtype

    def items(self, store: Store) -> Iterable[tuple[str, tuple[str, ...]]]:
        (weights,) = self.base.artifact(store).index().values()
        clips = self.thought_videos.artifact(store).index()
        return [(item_id, (row, weights)) for item_id, row in clips.items()]

    def make(self, ids: Sequence[str], context: Context) -> Iterator[LatentTarget | Rejected]:
        student = load_student(self.base, context, self.dtype)
        pool = self.pooling.build(student.k)
        root = self.thought_videos.artifact(context.store).path
        rows = {r.id: r for r in self.thought_videos.rows(context.store)}
        for item_id in context.each(ids):
            # one clip at a time: its bits don't hang on its neighbours
            clip = self.sampling.sample(root / rows[item_id].blob, whole=True)
            video = student.encode_video(*clip)
            latents = pool(video.tokens.float(), video.grid_thw)
            yield LatentTarget(id=item_id, latents=latents.cpu().numpy())
