"""The stage `base` of the shell game: a student taught by the curriculum."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from storm.artifacts.fs import renamed_into, write_atomic
from storm.artifacts.stage import Context
from storm.shell_game.phases import CurriculumFiles
from storm.shell_game.scene import Scene
from storm.shell_game.videos import ShellVideos
from storm.training.stage import Base


@dataclass(frozen=True, kw_only=True)
class ShellBase(Base):
    """A base that learns what any vision-language model can, on videos of its own."""

    videos: ShellVideos

    def initial_student(self, context: Context, work_dir: Path) -> Path:
        """Build the student with a tokenizer that knows the curriculum's words."""
        from storm.shell_game.tasks import corpus

        folder = work_dir / "student"
        if not folder.exists():
            texts = tuple(corpus(self.videos.world))
            with renamed_into(folder) as temporary:
                self.student.model_copy(update={"corpus": texts}).build(temporary)
        return folder

    def spec_fields(self, context: Context, work_dir: Path) -> dict[str, Any]:
        """Write the truth about the videos, for the curriculum's phases."""
        scenes = self.videos.scenes("base")
        paths = {
            sample.video_id: self.videos.locate(context.store, sample)
            for sample in self.videos.rows(context.store)
            if sample.split == "base"
        }
        truth = work_dir / "truth.jsonl"
        dump = TypeAdapter(Scene).dump_python
        lines = [
            json.dumps({"video_id": video_id, "scene": dump(scenes[video_id], mode="json")})
            for video_id in sorted(paths)
        ]
        write_atomic(truth, "\n".join(lines).encode())
        files = CurriculumFiles(
            videos=paths, truth=truth, world=self.videos.world, sampling=self.sampling
        )
        return {"curriculum": files.model_dump(mode="json")}
