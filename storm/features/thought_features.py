"""The stage `thought_features`: thought videos through the student's frozen vision encoder."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from storm.artifacts.stage import Context, Row, Stage
from storm.artifacts.store import Store
from storm.config import Dtype
from storm.errors import UnreadableVideo
from storm.features.encoder import load_student, vision_encoder_of
from storm.records import Checkpoint, Rejected, VideoFeatures
from storm.tensors import to_numpy
from storm.thought_videos.stage import ThoughtVideosStage
from storm.videos.decoding.sampling import FrameSampling

if TYPE_CHECKING:
    from storm.student import VideoTokens


@dataclass(frozen=True, kw_only=True)
class ThoughtVideoEncoding:
    """Fields and steps that stages share which encode thought videos.

    Attributes:
        thought_videos: The stage whose clips are encoded.
        base: The stage of the student's checkpoint.
        sampling: How frames of a thought video are sampled.
        dtype: Element type of the student.
    """

    thought_videos: ThoughtVideosStage
    base: Stage[Checkpoint]
    sampling: FrameSampling
    dtype: Dtype

    def items(self, store: Store) -> Iterable[tuple[str, tuple[str, ...]]]:
        """Return each clip's id and key: its row and the vision encoder."""
        encoder = vision_encoder_of(self.base, store)
        clips = self.thought_videos.artifact(store).index()
        return [(item_id, (row, encoder)) for item_id, row in clips.items()]

    def encode(
        self, ids: Sequence[str], context: Context, to_row: Callable[[str, VideoTokens], Row]
    ) -> Iterator[Row | Rejected]:
        """Yield `to_row` of each clip's visual tokens after merging."""
        student = load_student(self.base, context, self.dtype)
        root = self.thought_videos.artifact(context.store).path
        clips = {r.id: r.blob for r in self.thought_videos.rows(context.store, set(ids))}
        for item_id in context.each(ids):
            try:
                frames = self.sampling.sample(root / clips[item_id], verified=True)
            except UnreadableVideo as e:
                yield Rejected(id=item_id, reason=e.reason, detail=e.detail)
            else:
                # one clip at a time: its bits don't depend on neighbors in a batch
                yield to_row(item_id, student.encode_video(frames.pixels, frames.pts_seconds))


@dataclass(frozen=True, kw_only=True)
class ThoughtFeaturesStage(ThoughtVideoEncoding, Stage[VideoFeatures]):
    """Unpooled tokens, kept so that K and pooling can be tried without encoding again."""

    name: ClassVar[str] = "thought_features"
    row: ClassVar[type] = VideoFeatures

    def make(self, ids: Sequence[str], context: Context) -> Iterator[VideoFeatures | Rejected]:
        """Yield the tokens of each clip."""
        return self.encode(ids, context, _features)


def _features(item_id: str, video: VideoTokens) -> VideoFeatures:
    return VideoFeatures(
        id=item_id,
        tokens=to_numpy(video.tokens),
        grid_thw=video.grid_thw,
        pts_seconds=video.pts_seconds,
    )
