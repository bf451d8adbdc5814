"""The stage `video_features`: videos through the student's frozen vision encoder."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

from storm.artifacts.stage import Context, Stage
from storm.artifacts.store import Store
from storm.config import Dtype
from storm.errors import UnfitQuestion, UnreadableVideo
from storm.features.encoder import load_student, vision_encoder_of
from storm.records import Checkpoint, Rejected, VideoFeatures
from storm.videos.decoding.sampling import FrameSampling
from storm.videos.stage import VideoStage, videos_of


@dataclass(frozen=True, kw_only=True)
class VideoFeaturesStage(Stage[VideoFeatures]):
    """Visual tokens of training and test videos, made once: the vision encoder is frozen."""

    name: ClassVar[str] = "video_features"
    row: ClassVar[type] = VideoFeatures
    version: ClassVar[int] = 2

    videos: VideoStage
    base: Stage[Checkpoint]
    sampling: FrameSampling
    dtype: Dtype

    def items(self, store: Store) -> Iterable[tuple[str, tuple[str, ...]]]:
        """Return each video's id and key: its contents and the vision encoder."""
        encoder = vision_encoder_of(self.base, store)
        videos = videos_of(self.videos, store, "train", "val", "test")
        return [(v.video_id, (v.video_sha256, encoder)) for v in videos.values()]

    def make(self, ids: Sequence[str], context: Context) -> Iterator[VideoFeatures | Rejected]:
        """Yield the tokens of each video."""
        student = load_student(self.base, context, self.dtype)
        videos = videos_of(self.videos, context.store, "train", "val", "test")
        for video_id in context.each(ids):
            try:
                path = self.videos.locate(context.store, videos[video_id])
                frames = self.sampling.sample(path, verified=True)
            except UnreadableVideo as e:
                yield Rejected(id=video_id, reason=e.reason, detail=e.detail)
                continue
            # one video at a time: its bits don't depend on neighbors in a batch
            try:
                video = student.encode_video(frames.pixels, frames.pts_seconds)
            except UnfitQuestion as e:
                yield Rejected(id=video_id, reason=e.reason, detail=e.detail)
                continue
            yield VideoFeatures(
                id=video_id,
                tokens=video.packed(),
                grid_thw=video.grid_thw,
                pts_seconds=video.pts_seconds,
            )
