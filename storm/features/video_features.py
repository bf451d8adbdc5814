"""The stage `video_features`: what the student's frozen vision tower makes of each video."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from storm.artifacts.stage import Context, Stage
from storm.artifacts.store import Store
from storm.config import Dtype
from storm.errors import UnreadableVideo
from storm.records import Checkpoint, Rejected, VideoFeatures
from storm.videos.decoding.sampling import FrameSampling
from storm.videos.stage import VideoStage, videos_of


def load_student(stage: Stage[Checkpoint], context: Context, dtype: Dtype) -> Any:
    """The student of a sealed training stage, in eval mode."""
    from storm.student import Student

    (checkpoint,) = stage.rows(context.store)
    path = stage.artifact(context.store).path / checkpoint.blob
    return Student.from_pretrained(path, dtype=dtype, device=context.runtime.device).eval()


def tower_of(stage: Stage[Checkpoint], store: Store) -> str:
    """A digest of a sealed training stage's vision tower: what features depend on."""
    from storm.student.tower_digest import tower_digest

    (checkpoint,) = stage.rows(store)
    return tower_digest(stage.artifact(store).path / checkpoint.blob)


@dataclass(frozen=True, kw_only=True)
class VideoFeaturesStage(Stage[VideoFeatures]):
    """The student's view of each training and test video, made once because the tower is frozen."""

    name: ClassVar[str] = "video_features"
    row: ClassVar[type] = VideoFeatures
    version: ClassVar[int] = 2

    videos: VideoStage
    base: Stage[Checkpoint]
    sampling: FrameSampling
    dtype: Dtype

    def items(self, store: Store) -> Iterable[tuple[str, tuple[str, ...]]]:
        tower = tower_of(self.base, store)
        videos = videos_of(self.videos, store, "train", "test")
        return [(v.video_id, (v.video_sha256, tower)) for v in videos.values()]

    def make(self, ids: Sequence[str], context: Context) -> Iterator[VideoFeatures | Rejected]:
        student = load_student(self.base, context, self.dtype)
        videos = videos_of(self.videos, context.store, "train", "test")
        for video_id in context.each(ids):
            try:
                path = self.videos.locate(context.store, videos[video_id])
                frames = self.sampling.sample(path, verified=True)
            except UnreadableVideo as e:
                yield Rejected(id=video_id, reason=e.reason, detail=e.detail)
                continue
            # one video at a time: its bits don't depend on neighbors in a batch
            video = student.encode_video(frames.pixels, frames.pts_seconds)
            yield VideoFeatures(
                id=video_id,
                tokens=video.packed(),
                grid_thw=video.grid_thw,
                pts_seconds=video.pts_seconds,
            )
