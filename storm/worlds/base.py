"""The stage `base` of the worlds: a student taught by the curriculum."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from storm.artifacts.fs import renamed_into, write_atomic
from storm.artifacts.stage import Context
from storm.training.stage import Base
from storm.worlds.phases import CurriculumFiles
from storm.worlds.scenes import Scene
from storm.worlds.videos import WorldVideos

_TEXTS = 150  # scenes of each world whose texts train the tokenizer


@dataclass(frozen=True, kw_only=True)
class WorldsBase(Base):
    """A base that learns what any vision-language model can, on videos of its own."""

    videos: WorldVideos

    def initial_student(self, context: Context, work_dir: Path) -> Path:
        """Build the student with a tokenizer that knows the curriculum's words."""
        from storm.worlds.tasks import corpus

        folder = work_dir / "student"
        if not folder.exists():
            scenes: dict[str, list[Scene]] = {}
            worlds = {}
            for item in self.videos.split_items("base").values():
                worlds[item.world.name] = item.world
                scenes.setdefault(item.world.name, []).append(item.scene)
            texts = [t for n, world in worlds.items() for t in corpus(world, scenes[n][:_TEXTS])]
            with renamed_into(folder) as temporary:
                self.student.model_copy(update={"corpus": tuple(texts)}).build(temporary)
        return folder

    def spec_fields(self, context: Context, work_dir: Path) -> dict[str, Any]:
        """Write the truth about the videos, for the curriculum's phases."""
        items = self.videos.split_items("base")
        paths = {
            sample.video_id: self.videos.locate(context.store, sample)
            for sample in self.videos.rows(context.store)
            if sample.split == "base"
        }
        truth = work_dir / "truth.jsonl"
        dump = TypeAdapter(Scene).dump_python
        lines = [
            json.dumps(
                {"video_id": id, "world": item.world.name, "scene": dump(item.scene, mode="json")}
            )
            for id, item in items.items()
            if id in paths
        ]
        write_atomic(truth, "\n".join(lines).encode())
        files = CurriculumFiles(
            videos=paths, truth=truth, film=self.videos.level.film, sampling=self.sampling
        )
        return {"curriculum": files.model_dump(mode="json")}
