"""The worlds' teacher (the prompt LLM): reads keyframes and writes a script.

The question says which world it is; the pixels say the rest. It never sees the truth: if keyframes
are missing or unclear, its script is wrong or the question is rejected.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from pydantic import Field

from storm.records import Rejected, ThoughtPrompt, VideoSample
from storm.shell_game.teacher import Unreadable, frames_of
from storm.thought_prompts import TeacherConfig, TeacherRequest, TeacherSetup
from storm.worlds.registry import WORLDS
from storm.worlds.script import write_script
from storm.worlds.world import World


class WorldsTeacher:
    """Reads a script off the keyframes by looking at pixels."""

    class Config(TeacherConfig):
        """Settings: `beat_seconds` is the film's `beat_frames / fps`."""

        kind: str = "worlds"
        beat_seconds: float = Field(default=0.5, gt=0)

        def build(self, setup: TeacherSetup) -> WorldsTeacher:
            """Return the teacher; it needs nothing of `setup`."""
            return WorldsTeacher(self)

    def __init__(self, config: Config):
        self.config = config

    def write(self, requests: Iterable[TeacherRequest]) -> Iterator[ThoughtPrompt | Rejected]:
        """Yield a script or a rejection for each request."""
        for request in requests:
            try:
                yield self._prompt(request)
            except Unreadable as error:
                yield Rejected(id=request.sample.id, reason=error.reason, detail=str(error))

    def _prompt(self, request: TeacherRequest) -> ThoughtPrompt:
        sample, keyframes = request.sample, request.keyframes
        world = world_of(sample)
        story, look = world.read(
            frames_of(keyframes.images),
            keyframes.pts_seconds,
            keyframes.duration_seconds,
            self.config.beat_seconds,
        )
        return ThoughtPrompt(
            id=sample.id,
            video_id=sample.video_id,
            prompt=write_script(world, story, look),
            steps=tuple(world.events[event] for event in story.events),
            teacher="worlds",
            saw_answer=False,
        )


def world_of(sample: VideoSample) -> World:
    """Return the world that a question asks about.

    Raises:
        Unreadable: If it is no world's question.
    """
    for world in WORLDS.values():
        if sample.question in (world.question, world.open_question):
            return world
    raise Unreadable(
        "no_world", f"expected a question of {tuple(WORLDS)}, found {sample.question!r}"
    )
