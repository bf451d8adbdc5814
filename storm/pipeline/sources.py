"""What a profile's source of videos can do: the section `videos`.

A source is a pydantic model. Either it lists questions on videos that exist
(`storm.videos.questions.sources.QuestionSource`), or it builds the stage that makes them.
"""

from __future__ import annotations

from typing import Protocol, TypedDict, runtime_checkable

from typing_extensions import Unpack

from storm.training.stage import Base
from storm.videos.stage import VideoStage


class StageOptions(TypedDict):
    """The fields that every stage has and that are no part of its identity."""

    label: str
    shards: int
    quarantine_share: float


@runtime_checkable
class VideoSource(Protocol):
    """A source that makes its own videos."""

    kind: str

    def build(self, seed: int, **options: Unpack[StageOptions]) -> VideoStage:
        """Return the stage that makes the videos of the splits `train`, `val` and `test`."""
        ...


@runtime_checkable
class CurriculumSource(VideoSource, Protocol):
    """A source that can teach a base before any question is asked."""

    def build_base(self, untaught: Base, **options: Unpack[StageOptions]) -> Base:
        """Return `untaught` with the data that its phases need.

        Args:
            untaught: A base whose phases have no data yet.
            options: Those of the stage that makes the videos.
        """
        ...
