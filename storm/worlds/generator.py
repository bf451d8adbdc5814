"""The worlds' generator: draws a script with the state for all to see."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pydantic import Field

from storm.errors import DataError
from storm.records import Rejected
from storm.thought_videos import GeneratedClip, GeneratorConfig, GeneratorRequest
from storm.worlds.script import parse_script


class WorldsGenerator:
    """Draws thought videos from the teacher's scripts."""

    class Config(GeneratorConfig):
        """Settings; `frames` is a multiple of the beats."""

        kind: str = "worlds"
        frames: int = Field(default=16, ge=1)
        fps: float = Field(default=4.0, gt=0)
        size_px: int = Field(default=64, ge=32, multiple_of=2)

        def build(self, device: str = "cpu") -> WorldsGenerator:
            """Return the generator; it needs no device."""
            return WorldsGenerator(self)

    def __init__(self, config: Config):
        self.config = config

    def generate(self, requests: Sequence[GeneratorRequest]) -> Iterator[GeneratedClip | Rejected]:
        """Yield a clip or a rejection for each request, in order; only the prompt is used."""
        size_px, frames = self.config.size_px, self.config.frames
        for request in requests:
            try:
                world, story, look = parse_script(request.prompt.prompt)
                clip = world.render_thought(story, look, size_px, frames)
            except DataError as error:
                yield Rejected(id=request.prompt.id, reason="bad_script", detail=str(error))
            else:
                yield GeneratedClip(clip, self.config.fps)
