"""The shell world: questions of its own, rendered where they are asked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from storm.benchmarks.benchmark import Loaded, Source, with_video
from storm.benchmarks.sets.custom import Own
from storm.shell_game.scene import World, question, sample_scenes


@dataclass(frozen=True)
class Shell(Own):
    """Test scenes of one world and seed, rendered into a folder of their own in `Source.where`.

    What is there already is taken as it is: the same scene has the same bytes each time.
    """

    name: ClassVar[str] = "shell"

    world: World = World()
    seed: int = 0
    count: int = 256

    def load(self, source: Source) -> Loaded:
        from storm.artifacts.fs import digest, renamed_into
        from storm.shell_game.render import render
        from storm.videos.decoding.encode import encode_mp4

        folder = source.path / digest([self.world.model_dump(), self.seed])[:12]
        folder.mkdir(parents=True, exist_ok=True)
        questions = []
        for number, scene in enumerate(sample_scenes(self.world, "test", self.count, self.seed)):
            id = f"test-{number:05d}"  # as the stage `videos` names it
            path = folder / f"{id}.mp4"
            if not path.exists():
                with renamed_into(path) as temporary:
                    encode_mp4(temporary, render(scene, self.world), self.world.fps)
            text, options, answer = question(scene, self.world)
            doc: dict[str, Any] = {
                "video": path.name,
                "question": text,
                "options": list(options),
                "answer": answer,
            }
            questions.append(with_video(self.question(id, "", doc), path))
        return Loaded(questions=tuple(questions), refused=(), expected=len(questions))


BENCHMARK = Shell()
