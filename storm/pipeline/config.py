"""PipelineConfig: what a profile says."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag

from storm.config import FrozenModel
from storm.evaluation.config import BenchmarkConfig
from storm.evaluation.predictions import Change
from storm.latent_targets.pooling import Pooling
from storm.pipeline.generators import AnyGenerator
from storm.pipeline.selectors import AnySelector
from storm.pipeline.teachers import AnyTeacher
from storm.runtime import Runtime
from storm.shell_game.scene import World
from storm.shell_game.videos import Counts
from storm.student.importing import PretrainedConfig
from storm.student.lora import Lora
from storm.student.tiny.tiny import TinyConfig
from storm.thought_videos.quality import QualityGate
from storm.training.spec import AlignPhase, AnswerPhase, TextPhase, VisionPhase
from storm.videos.decoding.sampling import FrameSampling
from storm.videos.questions.hub import QuestionDataset
from storm.videos.questions.sources import QuestionFile


class ShellSource(FrozenModel):
    """The embedded world renders its own videos."""

    kind: Literal["shell"] = "shell"
    world: World = World()
    counts: Counts = Counts()


class EasierWorld(FrozenModel):
    """The same world with fewer swaps, to see that the baseline learns where it can."""

    swaps: int = Field(ge=0)
    steps: int = Field(ge=1)
    counts: Counts


class DirectArm(FrozenModel):
    """Plain fine-tuning on answers: a training for each rate, and easier worlds for comparison."""

    phase: AnswerPhase
    learning_rates: tuple[float, ...] = Field(min_length=1)
    easier: tuple[EasierWorld, ...] = ()  # shell world only


class Arms(FrozenModel):
    """What is trained and compared."""

    stage_one: tuple[AlignPhase, ...] = Field(min_length=1)
    stage_two: tuple[AnswerPhase, ...] = Field(min_length=1)
    direct: DirectArm | None = None
    shuffled: bool = False
    lora: Lora | None = None  # of all arms; None: full training
    interventions: tuple[Change, ...] = ("none",)


def _source_tag(raw: Any) -> str:
    kind = raw.get("kind") if isinstance(raw, dict) else getattr(raw, "kind", None)
    return kind if kind in ("shell", "datasets") else "file"


VideosSource = Annotated[
    Annotated[ShellSource, Tag("shell")]
    | Annotated[QuestionFile, Tag("file")]
    | Annotated[QuestionDataset, Tag("datasets")],
    Discriminator(_source_tag),
]


class PipelineConfig(FrozenModel):
    """A profile. `runtime` and `shards` say how it runs; everything else says what is made."""

    name: str = Field(pattern=r"^[^/\\]+$")  # of the report too
    seed: int = 0
    videos: VideosSource
    keyframes: AnySelector
    teacher: AnyTeacher
    generator: AnyGenerator
    quality: QualityGate = QualityGate()
    student: Annotated[TinyConfig | PretrainedConfig, Field(discriminator="kind")]
    curriculum: tuple[Annotated[VisionPhase | TextPhase, Field(discriminator="kind")], ...] = ()
    sampling: FrameSampling
    thought_sampling: FrameSampling
    pooling: Pooling
    keep_tokens: bool = False  # of thought videos: another pooling or K encodes nothing again
    dtype: Literal["float32", "bfloat16"] = "float32"
    option_orders: int = Field(1, ge=1)
    max_new_tokens: int = Field(8, ge=1)
    arms: Arms
    benchmarks: tuple[BenchmarkConfig, ...] = ()  # that the arm `storm` is asked
    shards: dict[str, Annotated[int, Field(ge=1)]] = Field(default_factory=dict)
    quarantine_share: float = Field(0.05, ge=0, le=1)  # of a stage's items; above it, it fails
    runtime: Runtime = Runtime()  # pyright: ignore[reportCallIssue]
