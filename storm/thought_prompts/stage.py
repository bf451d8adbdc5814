"""Stage `thought_prompts`: the teacher (prompt LLM) writes what the thought video shows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from storm.artifacts.stage import Context, Stage
from storm.artifacts.store import Store
from storm.keyframes.stage import KeyframesStage
from storm.records import Rejected, ThoughtPrompt
from storm.thought_prompts.base import TeacherConfig, TeacherRequest, TeacherSetup
from storm.videos.stage import VideoStage

_USAGE_LOG = "usage.jsonl"


@dataclass(frozen=True, kw_only=True)
class ThoughtPromptsStage(Stage[ThoughtPrompt]):
    """One prompt for each question whose video has keyframes."""

    name: ClassVar[str] = "thought_prompts"
    row: ClassVar[type] = ThoughtPrompt

    videos: VideoStage
    keyframes: KeyframesStage
    teacher: TeacherConfig

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
        in_flight: dict[str, None] = {}

        def announce(batch: Sequence[str]) -> Iterator[TeacherRequest]:
            for item_id in batch:
                in_flight[item_id] = None
                context.begin(list(in_flight))
                yield TeacherRequest(samples[item_id], keyframes[samples[item_id].video_id])

        for batch in [[i] for i in ids] if context.one_at_a_time else [ids]:
            for outcome in teacher.write(announce(batch)):
                del in_flight[outcome.id]
                yield outcome

    def extra_manifest(self, store: Store) -> dict[str, Any]:
        """Return what the teacher records of its requests and costs."""
        return self.teacher.facts(self.artifact(store).path / _USAGE_LOG)
