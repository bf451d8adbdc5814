"""The stage `thought_prompts`: the teacher says what the thought video has to show."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from storm.artifacts.stage import Context, Stage
from storm.artifacts.store import Store
from storm.keyframes.stage import KeyframesStage
from storm.records import Rejected, ThoughtPrompt
from storm.thought_prompts.base import TeacherRequest, TeacherSetup
from storm.videos.stage import VideoStage

_USAGE_LOG = "usage.jsonl"


@dataclass(frozen=True, kw_only=True)
class ThoughtPromptsStage(Stage[ThoughtPrompt]):
    """One prompt for each training question whose video has keyframes."""

    name: ClassVar[str] = "thought_prompts"
    row: ClassVar[type] = ThoughtPrompt

    videos: VideoStage
    keyframes: KeyframesStage
    teacher: Any  # a Config of storm.thought_prompts

    def items(self, store: Store) -> Iterable[tuple[str, tuple[str, ...]]]:
        questions = self.videos.artifact(store).index()
        keyframes = self.keyframes.artifact(store).index()
        for sample in self.videos.rows(store):
            if sample.split == "train" and sample.video_id in keyframes:
                yield sample.id, (questions[sample.id], keyframes[sample.video_id])

    def groups(self, store: Store) -> dict[str, str]:
        return {s.id: s.video_id for s in self.videos.rows(store)}  # read keyframes once

    def make(self, ids: Sequence[str], context: Context) -> Iterator[ThoughtPrompt | Rejected]:
        usage_log = context.artifact.path / _USAGE_LOG
        setup = TeacherSetup(context.runtime.device, context.store.response_cache, usage_log)
        teacher = self.teacher.build(setup)
        samples = {s.id: s for s in self.videos.rows(context.store, set(ids))}
        seen = {s.video_id for s in samples.values()}
        keyframes = {k.id: k for k in self.keyframes.rows(context.store, seen)}
        flying: dict[str, None] = {}

        def taken(some: Sequence[str]) -> Iterator[TeacherRequest]:
            for item_id in some:
                flying[item_id] = None
                context.begin(list(flying))
                yield TeacherRequest(samples[item_id], keyframes[samples[item_id].video_id])

        for some in [[i] for i in ids] if context.solo else [ids]:
            for outcome in teacher.write(taken(some)):
                del flying[outcome.id]
                yield outcome

    def facts(self, store: Store) -> dict[str, Any]:
        """What a teacher that costs something asked and spent."""
        facts = getattr(self.teacher, "facts", None)
        return facts(self.artifact(store).path / _USAGE_LOG) if facts else {}
