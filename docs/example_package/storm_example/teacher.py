"""A teacher: the question as a subtitle, one step for each keyframe."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from storm.thought_prompts import (
    Rejected,
    TeacherConfig,
    TeacherRequest,
    TeacherSetup,
    ThoughtPrompt,
)


class SubtitleTeacher:
    """Write a video prompt without a model."""

    class Config(TeacherConfig):
        """What a profile can set; every field is part of the stage's identity."""

        kind: str = "subtitle"
        style: str = "plain"

        def build(self, setup: TeacherSetup) -> SubtitleTeacher:
            """Return the teacher; called in child processes only."""
            return SubtitleTeacher(self)

    def __init__(self, config: Config):
        self.config = config

    def write(self, requests: Iterable[TeacherRequest]) -> Iterator[ThoughtPrompt | Rejected]:
        """Yield one prompt or rejection per request, in any order."""
        for request in requests:
            sample, keyframes = request.sample, request.keyframes
            if not sample.options:
                yield Rejected(id=sample.id, reason="open_question", detail="expected options")
                continue
            yield ThoughtPrompt(
                id=sample.id,
                video_id=sample.video_id,
                prompt=f"A {self.config.style} video with the subtitle: {sample.question}",
                steps=tuple(f"at {seconds:.1f} s" for seconds in keyframes.pts_seconds),
                teacher=self.config.kind,
                saw_answer=False,
            )
