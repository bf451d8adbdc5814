"""The teacher without a model: an image-to-video prompt from the question and its keyframes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from storm.records import LETTERS, Keyframes, Rejected, ThoughtPrompt, VideoSample
from storm.thought_prompts.base import TeacherRequest

_SEEN = {
    "first": "the scene as it begins",
    "shot": "the view cuts to a new shot",
    "motion_onset": "something starts to move",
    "motion_peak": "the movement is strongest",
    "motion_end": "the movement comes to an end",
    "rest": "everything is at rest",
    "coverage": "the scene goes on",
    "query": "what the question asks about is in view",
    "last": "the scene as it ends",
}


class TemplateTeacher:
    """Writes what the keyframes' times and reasons say; for trying the path, not for quality."""

    class Config(BaseModel):
        model_config = ConfigDict(frozen=True, extra="forbid")

        kind: Literal["template"] = "template"
        saw_answer: bool = False  # tell the answer too; it leaks into the targets
        max_question_chars: int = Field(400, ge=20)

        def build(self, device: str = "cpu") -> TemplateTeacher:
            return TemplateTeacher(self)

    def __init__(self, config: Config):
        self.config = config

    def write(self, requests: Sequence[TeacherRequest]) -> list[ThoughtPrompt | Rejected]:
        """One prompt a request, in order; the same words for the same request."""
        return [self._write(request.sample, request.keyframes) for request in requests]

    def _write(self, sample: VideoSample, keyframes: Keyframes) -> ThoughtPrompt:
        steps = _steps(keyframes)
        question = " ".join(sample.question.split())[: self.config.max_question_chars]
        parts = [
            f"A clear, steady video of {keyframes.duration_seconds:.1f} seconds that shows "
            f'what decides the question "{question}"',
            *(f"{step}." for step in steps),
        ]
        if self.config.saw_answer:
            parts.append(f"It ends with what shows that the answer is: {_answer(sample)}.")
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
        f"At {time:.1f} s {_SEEN.get(reason, reason)}"
        for time, reason in zip(keyframes.pts_seconds, keyframes.reasons, strict=True)
    )


def _answer(sample: VideoSample) -> str:
    return sample.options[LETTERS.index(sample.answer)] if sample.options else sample.answer
