"""The worlds as a profile's source of videos: `videos: {kind: worlds}`."""

from __future__ import annotations

import dataclasses
from typing import Any, Literal

from storm.config import FrozenModel
from storm.training.stage import Base
from storm.worlds.base import WorldsBase
from storm.worlds.videos import Counts, Level, WorldVideos


class WorldsSource(FrozenModel):
    """Worlds whose videos are rendered on demand."""

    kind: Literal["worlds"] = "worlds"
    level: Level = Level()
    counts: Counts = Counts()

    def build(self, seed: int, **options: Any) -> WorldVideos:
        """Return the stage that renders the splits `train`, `val` and `test`."""
        counts = self.counts.model_copy(update={"base": 0})  # those are the base's own
        return WorldVideos(level=self.level, seed=seed, counts=counts, **options)

    def build_base(self, untaught: Base, **options: Any) -> WorldsBase:
        """Return the base taught by the curriculum, on videos of the split `base`."""
        videos = WorldVideos(
            level=self.level,
            seed=untaught.seed,
            counts=Counts(base=self.counts.base, train=0, test=0),
            **{**options, "label": "base"},
        )
        fields = {f.name: getattr(untaught, f.name) for f in dataclasses.fields(untaught)}
        return WorldsBase(**fields, videos=videos)
