"""The stage `videos` of the shell game: renders videos and writes their questions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar

from pydantic import Field

from storm.artifacts.fs import renamed_into, sha256_file
from storm.artifacts.stage import Context, runtime_field
from storm.artifacts.store import Store
from storm.config import SPLITS, FrozenModel, Split
from storm.records import VideoSample
from storm.shell_game.scene import (
    Scene,
    World,
    follow,
    option_text,
    places,
    question,
    sample_scenes,
    script_text,
)
from storm.videos.stage import VideoStage


class Counts(FrozenModel):
    """How many videos each split has."""

    base: int = Field(default=0, ge=0)
    train: int = Field(default=1000, ge=0)
    val: int = Field(default=0, ge=0)
    test: int = Field(default=1024, ge=0)


@lru_cache(maxsize=8)
def _scenes(world: World, split: Split, count: int, seed: int) -> dict[str, Scene]:
    scenes = sample_scenes(world, split, count, seed)
    return {f"{split}-{n:05d}": scene for n, scene in enumerate(scenes)}


def write_video(path: Path, scene: Scene, world: World) -> None:
    """Render a scene into an mp4, by the preset that takes the least time."""
    from storm.shell_game.render import render
    from storm.videos.decoding.encode import encode_mp4

    encode_mp4(path, render(scene, world), world.fps, preset="ultrafast")


@dataclass(frozen=True, kw_only=True)
class ShellVideos(VideoStage):
    """One video and one question for each scene; videos of one script are a cluster.

    The truth is not stored: it follows from the seed.
    """

    version: ClassVar[int] = 3  # with the questions' clusters

    world: World = World()
    seed: int = 0
    counts: Counts = runtime_field(Counts())

    def external_inputs(self) -> dict[str, int]:
        """Return the counts: they decide which items there are."""
        return self.counts.model_dump()

    def scenes(self, split: Split) -> dict[str, Scene]:
        """Return the truth about a split's videos, by video id."""
        world: Any = self.world  # frozen, and so hashable, which pydantic's types don't say
        return _scenes(world, split, getattr(self.counts, split), self.seed)

    def items(self, store: Store) -> Iterable[tuple[str, tuple[str, ...]]]:
        """Return an item for each scene; none depends on another stage's rows."""
        return [
            (i, ()) for split in SPLITS if getattr(self.counts, split) for i in self.scenes(split)
        ]

    def make(self, ids: Sequence[str], context: Context) -> Iterator[VideoSample]:
        """Render each video and write its question."""
        scenes: dict[str, tuple[Split, Scene]] = {}
        for split in SPLITS:
            scenes.update({i: (split, s) for i, s in self.scenes(split).items()})
        for item_id in context.each(ids):
            split, scene = scenes[item_id]
            path = context.artifact.blob_path(item_id, ".mp4")
            with renamed_into(path) as temporary:
                write_video(temporary, scene, self.world)
            text, options, answer = question(scene, self.world)
            yield VideoSample(
                id=item_id,
                video_id=item_id,
                video_path=path.relative_to(context.artifact.path).as_posix(),
                video_sha256=sha256_file(path),
                split=split,
                question=text,
                options=options,
                answer=answer,
                cluster=script_text(scene.start, scene.swaps),
            )

    def blob_of(self, row: VideoSample) -> tuple[str, str]:
        """Return the path and sha256 of a row's video."""
        return row.video_path, row.video_sha256

    def locate(self, store: Store, sample: VideoSample) -> Path:
        """Return the path of a sample's video."""
        return self.artifact(store).path / sample.video_path

    def events(self, sample: VideoSample) -> int:
        """Return the number of beats; a beat in which the cups rest is one."""
        return self.world.beats

    def patched_answer(self, sample: VideoSample, donor: VideoSample, events: int) -> str:
        """Return the donor's cup after `events` beats, moved by the sample's remaining swaps."""
        own = self.scenes(sample.split)[sample.id]
        others = self.scenes(donor.split)[donor.id]
        place = (others.start, *places(others))[events]
        return option_text((place, *follow(place, own.swaps[events:]))[-1])

    def guess_accuracy(self, sample: VideoSample, unknown: int) -> float | None:
        """Return the chance if the first `unknown` swaps of a known start are unknown.

        The ball stays with probability 1 - 2/n at a random swap of n cups, and each other place is
        as likely as the next. None if some beats rest.
        """
        if self.world.swaps < self.world.beats:
            return None
        cups = self.world.cups
        return 1 / cups + (1 - 1 / cups) * (1 - 2 / (cups - 1)) ** unknown
