"""The shell game as a profile's source of videos: `videos: {kind: shell}`."""

from __future__ import annotations

import dataclasses
from typing import Any, Literal

from storm.config import FrozenModel
from storm.shell_game.base import ShellBase
from storm.shell_game.scene import World
from storm.shell_game.videos import Counts, ShellVideos
from storm.training.stage import Base


class ShellSource(FrozenModel):
    """A world whose videos are rendered on demand."""

    kind: Literal["shell"] = "shell"
    world: World = World()
    counts: Counts = Counts()

    def build(self, seed: int, **options: Any) -> ShellVideos:
        """Return the stage that renders the splits `train`, `val` and `test`."""
        counts = self.counts.model_copy(update={"base": 0})  # those are the base's own
        return ShellVideos(world=self.world, seed=seed, counts=counts, **options)

    def build_base(self, untaught: Base, **options: Any) -> ShellBase:
        """Return the base taught by the curriculum, on videos of the split `base`."""
        videos = ShellVideos(
            world=self.world,
            seed=untaught.seed,
            counts=Counts(base=self.counts.base, train=0, test=0),
            **{**options, "label": "base"},
        )
        fields = {f.name: getattr(untaught, f.name) for f in dataclasses.fields(untaught)}
        return ShellBase(**fields, videos=videos)
