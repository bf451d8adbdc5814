"""The shell game as a profile's source of videos: `videos: {kind: shell}`."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field, ValidationError

from storm.config import FrozenModel
from storm.errors import ConfigError
from storm.shell_game.base import ShellBase
from storm.shell_game.scene import World
from storm.shell_game.videos import Counts, ShellVideos
from storm.training.stage import Base


class EasierWorld(FrozenModel):
    """Settings of `arms.direct.easier`: a world with fewer swaps and as many beats."""

    swaps: int = Field(ge=0)
    counts: Counts


class ShellSource(FrozenModel):
    """A world whose videos are rendered on demand."""

    kind: Literal["shell"] = "shell"
    world: World = World()
    counts: Counts = Counts()

    @property
    def level_name(self) -> str:
        """The number of swaps to follow."""
        return f"{self.world.swaps} swaps"

    @property
    def frames_per_video(self) -> int:
        """The length of each video in frames."""
        return self.world.frames

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

    def easier(self, settings: Mapping[str, Any]) -> ShellSource:
        """Return a source with fewer swaps. Raises ConfigError if it is not an easier one."""
        try:
            easier = EasierWorld.model_validate(settings)
        except ValidationError as error:
            raise ConfigError(f"arms.direct.easier is wrong: {_one_line(error)}") from None
        if easier.swaps > self.world.beats:
            raise ConfigError(
                f"expected easier worlds of at most {self.world.beats} swaps, one a beat, "
                f"found {easier.swaps}: correct arms.direct.easier"
            )
        world = self.world.model_copy(update={"swaps": easier.swaps, "beats": easier.swaps})
        return self.model_copy(update={"world": world, "counts": easier.counts})


def _one_line(error: ValidationError) -> str:
    return "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
