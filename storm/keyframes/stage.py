"""The stage `keyframes`: the frames of each training video that the teacher sees."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from storm.errors import UnreadableVideo
from storm.records import Keyframes, Rejected
from storm.stage import Context, Stage
from storm.store import Store
from storm.videos.stage import VideoStage, videos_of


@dataclass(frozen=True)
class KeyframesStage(Stage[Keyframes]):
    name: ClassVar[str] = "keyframes"
    row: ClassVar[type] = Keyframes

    videos: VideoStage
    selector: Any  # a Config of storm.keyframes

    def items(self, store: Store) -> Iterable[tuple[str, tuple[str, ...]]]:
        videos = videos_of(self.videos, store, "train")
        return [(v.video_id, (v.video_sha256,)) for v in videos.values()]

    def make(self, ids: Sequence[str], context: Context) -> Iterator[Keyframes | Rejected]:
        selector = self.selector.build(context.runtime.device)
        videos = videos_of(self.videos, context.store, "train")
        for video_id in context.each(ids):
            try:
                path = self.videos.locate(context.store, videos[video_id])
                yield selector.select(video_id, path)
            except UnreadableVideo as e:
                yield Rejected(id=video_id, reason=e.reason, detail=e.detail)
