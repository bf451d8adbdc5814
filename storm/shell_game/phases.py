"""The two phases of the curriculum, and the data that they read."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, Literal

from pydantic import PositiveInt

from storm.config import FrozenModel
from storm.shell_game.scene import World
from storm.training.spec import PhaseConfig
from storm.videos.decoding.sampling import FrameSampling


class CurriculumFiles(FrozenModel):
    """The base's own videos and the truth about them.

    Attributes:
        videos: Video id to file.
        truth: JSON lines `{"video_id", "scene"}`; only scenes of the split `base`.
    """

    videos: dict[str, Path]
    truth: Path
    world: World
    sampling: FrameSampling


class VisionPhase(PhaseConfig):
    """Vision encoder: classify the ball's place or the swapped pair in one temporal patch."""

    batch_divisor: ClassVar[int] = 4
    reads: ClassVar[Literal["rows", "curriculum"]] = "curriculum"
    objective: ClassVar[str] = "storm.shell_game.curriculum:VisionObjective"

    kind: Literal["curriculum_vision"] = "curriculum_vision"  # pyright: ignore[reportIncompatibleVariableOverride]
    batch: PositiveInt = 256  # temporal patches
    weight_decay: float = 0.05


class TextPhase(PhaseConfig):
    """Language model: captions, easy questions, answers read off a thought video."""

    batch_divisor: ClassVar[int] = 16
    reads: ClassVar[Literal["rows", "curriculum"]] = "curriculum"
    objective: ClassVar[str] = "storm.shell_game.curriculum:TextObjective"

    kind: Literal["curriculum_text"] = "curriculum_text"  # pyright: ignore[reportIncompatibleVariableOverride]
