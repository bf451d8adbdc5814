"""The shell world's generator: draws what the script says, with see-through cups."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import Field

from storm.errors import DataError
from storm.records import Rejected
from storm.shell_game.render import render_thought
from storm.shell_game.scene import World
from storm.shell_game.script import parse_script
from storm.thought_videos import GeneratedClip, GeneratorConfig, GeneratorRequest


class ShellGenerator:
    class Config(GeneratorConfig):
        kind: str = "shell"
        frames: int = Field(default=16, ge=1)  # a multiple of the beats
        fps: float = Field(default=4.0, gt=0)
        size_px: int = Field(default=64, ge=32, multiple_of=2)

        def build(self, device: str = "cpu") -> ShellGenerator:
            return ShellGenerator(self)

    def __init__(self, config: Config):
        self.config = config

    def generate(self, requests: Sequence[GeneratorRequest]) -> list[GeneratedClip | Rejected]:
        """One clip or rejection a request, in order. Uses the prompt alone."""
        world = World(size_px=self.config.size_px)
        clips: list[GeneratedClip | Rejected] = []
        for request in requests:
            try:
                script = parse_script(request.prompt.prompt)
                frames = render_thought(script, world, self.config.frames)
            except DataError as error:
                clips.append(Rejected(id=request.prompt.id, reason="bad_script", detail=str(error)))
            else:
                clips.append(GeneratedClip(frames, self.config.fps))
        return clips
