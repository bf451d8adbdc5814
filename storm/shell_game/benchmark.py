"""The shell game as a benchmark: test scenes, rendered where they are asked for."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from storm.benchmarks.benchmark import Benchmark
from storm.benchmarks.sets.custom import LETTER_SCORERS, STUDENT_PROMPTS, CustomQuestions
from storm.benchmarks.types import DatasetLocation, LoadedQuestions
from storm.shell_game.scene import World, question, sample_scenes, script_text


@dataclass(frozen=True)
class ShellQuestions(CustomQuestions):
    """Test scenes of one world and seed, rendered into a folder of their own in `where`.

    Videos that exist already are kept: the same scene has the same bytes each time.
    """

    task: str = "shell"
    world: World = World()
    seed: int = 0
    count: int = 256

    def load(self, location: DatasetLocation) -> LoadedQuestions:
        """Return the questions, after rendering the missing videos."""
        from storm.artifacts.fs import digest, renamed_into
        from storm.shell_game.videos import write_video

        folder = location.path / digest([self.world.model_dump(), self.seed])[:12]
        folder.mkdir(parents=True, exist_ok=True)
        questions = []
        for number, scene in enumerate(sample_scenes(self.world, "test", self.count, self.seed)):
            id = f"test-{number:05d}"  # as the stage `videos` names it
            path = folder / f"{id}.mp4"
            if not path.exists():
                with renamed_into(path) as temporary:
                    write_video(temporary, scene, self.world)
            text, options, answer = question(scene, self.world)
            doc: dict[str, Any] = {
                "video": path.name,
                "question": text,
                "options": list(options),
                "answer": answer,
                "cluster": script_text(scene.start, scene.swaps),
            }
            questions.append(replace(self.question(id, "", doc), video=path))
        return LoadedQuestions(questions=tuple(questions), rejected=())


BENCHMARK = Benchmark(
    name="shell", dataset=ShellQuestions(), prompts=STUDENT_PROMPTS, scorers=LETTER_SCORERS
)
