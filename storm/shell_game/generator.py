"""The shell game's generator: renders a script with see-through cups."""

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
    """Renders thought videos from the teacher's scripts."""

    class Config(GeneratorConfig):
        """Settings; `frames` is a multiple of the beats."""

        kind: str = "shell"
        frames: int = Field(default=16, ge=1)
        fps: float = Field(default=4.0, gt=0)
        size_px: int = Field(default=64, ge=32, multiple_of=2)

        def build(self, device: str = "cpu") -> ShellGenerator:
            """Return the generator; it needs no device."""
            return ShellGenerator(self)

    def __init__(self, config: Config):
        self.config = config

    def generate(self, requests: Sequence[GeneratorRequest]) -> list[GeneratedClip | Rejected]:
        """Return a clip or a rejection for each request, in order; only the prompt is used."""
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
