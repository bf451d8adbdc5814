"""Stage `thought_prompts`: the teacher (prompt LLM) writes what the thought video shows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from storm.artifacts.stage import Context, Stage
from storm.artifacts.store import Store
from storm.errors import UnfitQuestion
from storm.keyframes.stage import KeyframesStage
from storm.records import Checkpoint, Rejected, ThoughtPrompt
from storm.thought_prompts.base import TeacherConfig, TeacherRequest, TeacherSetup
from storm.videos.stage import VideoStage

if TYPE_CHECKING:
    from storm.student.text_limits import TextLimits

_USAGE_LOG = "usage.jsonl"


@dataclass(frozen=True, kw_only=True)
class ThoughtPromptsStage(Stage[ThoughtPrompt]):
    """One prompt for each question whose video has keyframes."""

    name: ClassVar[str] = "thought_prompts"
    row: ClassVar[type] = ThoughtPrompt

    videos: VideoStage
    keyframes: KeyframesStage
    teacher: TeacherConfig
    base: Stage[Checkpoint] | None = None  # what it can't be asked is not paid for

    def items(self, store: Store) -> Iterable[tuple[str, tuple[str, ...]]]:
        """Yield each question of the keyframes' splits whose video has some."""
        questions = self.videos.artifact(store).index()
        keyframes = self.keyframes.artifact(store).index()
        for sample in self.videos.rows(store):
            if sample.split in self.keyframes.splits and sample.video_id in keyframes:
                yield sample.id, (questions[sample.id], keyframes[sample.video_id])

    def colocate(self, store: Store) -> dict[str, str]:
        """Keep questions on a video in one shard, which reads its keyframes once."""
        return {s.id: s.video_id for s in self.videos.rows(store)}

    def make(self, ids: Sequence[str], context: Context) -> Iterator[ThoughtPrompt | Rejected]:
        """Yield the teacher's outcome for each id."""
        usage_log = context.artifact.path / _USAGE_LOG
        setup = TeacherSetup(context.runtime.device, context.store.response_cache, usage_log)
        teacher = self.teacher.build(setup)
        samples = {s.id: s for s in self.videos.rows(context.store, set(ids))}
        video_ids = {s.video_id for s in samples.values()}
        keyframes = {k.id: k for k in self.keyframes.rows(context.store, video_ids)}
        limits = self._limits(context.store)
        unfit: list[Rejected] = []
        in_flight: dict[str, None] = {}

        def announce(batch: Sequence[str]) -> Iterator[TeacherRequest]:
            for item_id in batch:
                try:
                    if limits is not None:
                        limits.check(samples[item_id])
                except UnfitQuestion as error:
                    unfit.append(Rejected(id=item_id, reason=error.reason, detail=error.detail))
                    continue
                in_flight[item_id] = None
                context.begin(list(in_flight))
                yield TeacherRequest(samples[item_id], keyframes[samples[item_id].video_id])

        for batch in [[i] for i in ids] if context.one_at_a_time else [ids]:
            for outcome in teacher.write(announce(batch)):
                del in_flight[outcome.id]
                yield outcome
        yield from unfit

    def _limits(self, store: Store) -> TextLimits | None:
        """Return what the student's tokenizer takes."""
        if self.base is None:
            return None
        from storm.student.text_limits import TextLimits

        (checkpoint,) = self.base.rows(store)
        return TextLimits(self.base.artifact(store).path / checkpoint.blob)

    def extra_manifest(self, store: Store) -> dict[str, Any]:
        """Return what the teacher records of its requests and costs."""
        return self.teacher.facts(self.artifact(store).path / _USAGE_LOG)
