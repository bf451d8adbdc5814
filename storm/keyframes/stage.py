"""The stage `keyframes`: the frames of each video that the teacher (prompt LLM) sees."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

from storm.artifacts.fs import digest
from storm.artifacts.stage import Context, Stage
from storm.artifacts.store import Store
from storm.config import Split
from storm.errors import UnreadableVideo
from storm.keyframes.base import SelectorConfig
from storm.process.warm import load_warm
from storm.records import Keyframes, Rejected
from storm.videos.stage import VideoStage, videos_of


@dataclass(frozen=True, kw_only=True)
class KeyframesStage(Stage[Keyframes]):
    """Selects frames of the videos that get thought videos; one row for each video.

    Attributes:
        splits: Whose videos.
        share: Of the training and validation videos, chosen by their id.
    """

    name: ClassVar[str] = "keyframes"
    row: ClassVar[type] = Keyframes
    version: ClassVar[int] = 3

    videos: VideoStage
    selector: SelectorConfig
    splits: tuple[Split, ...] = ("train",)
    share: float = 1.0

    def items(self, store: Store) -> Iterable[tuple[str, tuple[str, ...]]]:
        """Return each video, keyed by its bytes and by its questions if they are read."""
        questions = self._questions(store)
        for video in videos_of(self.videos, store, *self.splits).values():
            if video.split != "test" and _draw(video.video_id) >= self.share:
                continue
            of_video = questions.get(video.video_id)
            digests = (digest(of_video),) if of_video else ()
            yield video.video_id, (video.video_sha256, *digests)

    def make(self, ids: Sequence[str], context: Context) -> Iterator[Keyframes | Rejected]:
        """Select the frames of each video."""
        selector = load_warm(type(self.selector).build, self.selector, context.runtime.device)
        videos = videos_of(self.videos, context.store, *self.splits)
        questions = self._questions(context.store)
        for video_id in context.each(ids):
            try:
                path = self.videos.locate(context.store, videos[video_id])
                of_video = questions.get(video_id, [])
                yield selector.select(video_id, path, verified=True, questions=of_video)
            except UnreadableVideo as e:
                yield Rejected(id=video_id, reason=e.reason, detail=e.detail)

    def _questions(self, store: Store) -> dict[str, list[str]]:
        """Return each video's questions in order; none unless the selector reads them."""
        questions: dict[str, set[str]] = {}
        for sample in self.videos.rows(store) if self.selector.reads_questions else ():
            if sample.split in self.splits:
                questions.setdefault(sample.video_id, set()).add(sample.question)
        return {video_id: sorted(of_video) for video_id, of_video in questions.items()}


def _draw(video_id: str) -> float:
    """Return a number in [0, 1) that the video alone decides."""
    return int(digest(["thought share", video_id])[:13], 16) / 16**13
