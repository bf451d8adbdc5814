"""The stage `video_features`: what the student's frozen vision tower makes of each video."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from storm.errors import UnreadableVideo
from storm.records import Checkpoint, Rejected, VideoFeatures
from storm.stage import Context, Stage
from storm.store import Store
from storm.videos.sampling import FrameSampling
from storm.videos.stage import VideoStage, videos_of


def load_student(stage: Stage[Checkpoint], context: Context, dtype: str = "float32") -> Any:
    """The student of a sealed training stage, in eval mode."""
    from storm.student import Student

    (checkpoint,) = stage.rows(context.store)
    path = stage.artifact(context.store).path / checkpoint.blob
    return Student.from_pretrained(path, dtype=dtype, device=context.runtime.device).eval()


@dataclass(frozen=True)
class VideoFeaturesStage(Stage[VideoFeatures]):
    """The student's view of each training and test video, made once because the tower is frozen."""

    name: ClassVar[str] = "video_features"
    row: ClassVar[type] = VideoFeatures

    videos: VideoStage
    base: Stage[Checkpoint]
    sampling: FrameSampling

    def items(self, store: Store) -> Iterable[tuple[str, tuple[str, ...]]]:
        (weights,) = self.base.artifact(store).index().values()
        videos = videos_of(self.videos, store, "train", "test")
        return [(v.video_id, (v.video_sha256, weights)) for v in videos.values()]

    def make(self, ids: Sequence[str], context: Context) -> Iterator[VideoFeatures | Rejected]:
        student = load_student(self.base, context)
        videos = videos_of(self.videos, context.store, "train", "test")
        for batch in context.batches(ids, str):
            clips = []
            for video_id in batch:
                try:
                    path = self.videos.locate(context.store, videos[video_id])
                    clips.append((video_id, *self.sampling.sample(path)))
                except UnreadableVideo as e:
                    yield Rejected(id=video_id, reason=e.reason, detail=e.detail)
            tokens = student.encode_videos([clip[1:] for clip in clips])
            for (video_id, _, _), video in zip(clips, tokens, strict=True):
                yield VideoFeatures(
                    id=video_id,
                    tokens=video.packed(),
                    grid_thw=video.grid_thw,
                    pts_seconds=tuple(video.pts_seconds),
                )
