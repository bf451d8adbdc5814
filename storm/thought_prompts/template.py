"""Teacher without a model: fills a template with the question and its keyframes' times."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from pydantic import Field

from storm.records import Keyframes, ThoughtPrompt, VideoSample
from storm.thought_prompts.base import TeacherConfig, TeacherRequest, TeacherSetup
from storm.thought_prompts.instruction import SEEN, answer_of


class TemplateTeacher:
    """Writes what the keyframes' times and reasons say; to try the path, not for quality."""

    class Config(TeacherConfig):
        """Settings of the teacher."""

        kind: str = "template"
        saw_answer: bool = False  # tell the answer too; it leaks into the targets
        max_question_chars: int = Field(400, ge=20)

        def build(self, setup: TeacherSetup) -> TemplateTeacher:
            """Return the teacher."""
            return TemplateTeacher(self)

    def __init__(self, config: Config):
        self.config = config

    def write(self, requests: Iterable[TeacherRequest]) -> Iterator[ThoughtPrompt]:
        """Yield one prompt per request, in order; equal prompts for equal requests."""
        for request in requests:
            yield self._write(request.sample, request.keyframes)

    def _write(self, sample: VideoSample, keyframes: Keyframes) -> ThoughtPrompt:
        steps = _steps(keyframes)
        question = " ".join(sample.question.split())[: self.config.max_question_chars]
        parts = [
            f"A clear, steady video of {keyframes.duration_seconds:.1f} seconds that shows "
            f'what decides the question "{question}"',
            *(f"{step}." for step in steps),
        ]
        if self.config.saw_answer:
            parts.append(f"It ends with what shows that the answer is: {answer_of(sample)}.")
        parts.append("Keep the camera, the objects and the light as in the given frames.")
        return ThoughtPrompt(
            id=sample.id,
            video_id=sample.video_id,
            prompt=" ".join(parts),
            steps=steps,
            teacher=self.config.kind,
            saw_answer=self.config.saw_answer,
        )


def _steps(keyframes: Keyframes) -> tuple[str, ...]:
    return tuple(
        f"At {time:.1f} s {SEEN.get(reason, reason)}"
        for time, reason in zip(keyframes.pts_seconds, keyframes.reasons, strict=True)
    )
