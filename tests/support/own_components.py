"""A teacher and a generator as a stranger would write them, named by import path in a profile."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from storm.thought_prompts import TeacherConfig, TeacherRequest, TeacherSetup, ThoughtPrompt
from storm.thought_videos import ClipFormat, GeneratedClip, GeneratorRequest, keyframe_image


class EchoTeacher:
    """Repeats the question."""

    class Config(TeacherConfig):
        kind: str = "echo"
        words: str = "Show"

        def build(self, setup: TeacherSetup) -> EchoTeacher:
            return EchoTeacher(self)

    def __init__(self, config: Config):
        self.config = config

    def write(self, requests: Iterable[TeacherRequest]) -> Iterator[ThoughtPrompt]:
        for request in requests:
            sample = request.sample
            yield ThoughtPrompt(
                id=sample.id,
                video_id=sample.video_id,
                prompt=f"{self.config.words}: {sample.question}",
                steps=("look",),
                teacher=self.config.kind,
                saw_answer=False,
            )


class StillGenerator:
    """Holds the first keyframe."""

    class Config(ClipFormat):
        kind: str = "still"

        def build(self, device: str = "cpu") -> StillGenerator:
            return StillGenerator(self)

    def __init__(self, config: Config):
        self.config = config

    def generate(self, requests: Sequence[GeneratorRequest]) -> Iterator[GeneratedClip]:
        for request in requests:
            image = np.asarray(keyframe_image(request, 0, self.config))
            yield GeneratedClip(np.stack([image] * self.config.frames), self.config.fps)
