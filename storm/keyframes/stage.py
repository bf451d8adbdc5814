"""The stage `keyframes`: the frames of each training video that the teacher sees."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from storm.artifacts.fs import digest
from storm.artifacts.stage import Context, Stage
from storm.artifacts.store import Store
from storm.errors import UnreadableVideo
from storm.records import Keyframes, Rejected
from storm.videos.stage import VideoStage, videos_of


@dataclass(frozen=True, kw_only=True)
class KeyframesStage(Stage[Keyframes]):
    name: ClassVar[str] = "keyframes"
    row: ClassVar[type] = Keyframes
    version: ClassVar[int] = 2

    videos: VideoStage
    selector: Any  # a Config of storm.keyframes

    def items(self, store: Store) -> Iterable[tuple[str, tuple[str, ...]]]:
        asked = self._questions(store)
        for video in videos_of(self.videos, store, "train").values():
            questions = asked.get(video.video_id)
            seen = (digest(questions),) if questions else ()
            yield video.video_id, (video.video_sha256, *seen)

    def make(self, ids: Sequence[str], context: Context) -> Iterator[Keyframes | Rejected]:
        selector = self.selector.build(context.runtime.device)
        videos = videos_of(self.videos, context.store, "train")
        asked = self._questions(context.store)
        for video_id in context.each(ids):
            try:
                path = self.videos.locate(context.store, videos[video_id])
                questions = asked.get(video_id, [])
                yield selector.select(video_id, path, verified=True, questions=questions)
            except UnreadableVideo as e:
                yield Rejected(id=video_id, reason=e.reason, detail=e.detail)

    def _questions(self, store: Store) -> dict[str, list[str]]:
        """Those on each video, in order; none unless the selector reads them."""
        asked: dict[str, set[str]] = {}
        for sample in self.videos.rows(store) if self.selector.reads_questions else ():
            if sample.split == "train":
                asked.setdefault(sample.video_id, set()).add(sample.question)
        return {video_id: sorted(questions) for video_id, questions in asked.items()}
