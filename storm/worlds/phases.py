"""The two phases of the worlds' curriculum, and the data that they read."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, Literal

from pydantic import PositiveInt

from storm.config import FrozenModel
from storm.training.spec import PhaseConfig
from storm.videos.decoding.sampling import FrameSampling
from storm.worlds.world import Film


class CurriculumFiles(FrozenModel):
    """The base's own videos and the truth about them.

    Attributes:
        videos: Video id to file.
        truth: JSON lines `{"video_id", "world", "scene"}`; only scenes of the split `base`.
    """

    videos: dict[str, Path]
    truth: Path
    film: Film
    sampling: FrameSampling


class VisionPhase(PhaseConfig):
    """Vision encoder: classify the state, the setting or the event in one temporal patch."""

    batch_divisor: ClassVar[int] = 12  # four parts for each of three worlds
    reads: ClassVar[Literal["rows", "curriculum"]] = "curriculum"
    objective: ClassVar[str] = "storm.worlds.curriculum:VisionObjective"

    kind: Literal["worlds_vision"] = "worlds_vision"  # pyright: ignore[reportIncompatibleVariableOverride]
    batch: PositiveInt = 384  # temporal patches
    weight_decay: float = 0.05


class TextPhase(PhaseConfig):
    """Language model: lists, easy questions, answers read off a thought video."""

    batch_divisor: ClassVar[int] = 48  # sixteen parts for each of three worlds
    reads: ClassVar[Literal["rows", "curriculum"]] = "curriculum"
    objective: ClassVar[str] = "storm.worlds.curriculum:TextObjective"

    kind: Literal["worlds_text"] = "worlds_text"  # pyright: ignore[reportIncompatibleVariableOverride]
