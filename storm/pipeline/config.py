"""PipelineConfig: what a profile says."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from storm.config import Dtype, FrozenModel
from storm.evaluation.config import BenchmarkConfig
from storm.latent_targets.pooling import Pooling
from storm.pipeline.sources import VideoSource
from storm.plugins import Component
from storm.runtime import Runtime
from storm.student.importing import PretrainedConfig
from storm.student.lora import Lora
from storm.student.tiny.tiny import TinyConfig
from storm.thought_videos.quality import QualityGate
from storm.training.spec import AlignPhase, AnswerPhase, Phase
from storm.videos.decoding.sampling import FrameSampling
from storm.videos.questions.sources import Questions


class EasierVideos(BaseModel):
    """Easier videos of the same source, to see that the baseline learns where it can.

    All settings but `steps` are the source's (see `storm.pipeline.sources.GradedSource`).
    """

    model_config = ConfigDict(frozen=True, extra="allow")

    steps: int = Field(ge=1)


class DirectArm(FrozenModel):
    """Plain fine-tuning on answers: a training for each rate, and for each easier set of videos."""

    phase: AnswerPhase
    learning_rates: tuple[float, ...] = Field(min_length=1)
    easier: tuple[EasierVideos, ...] = ()


class Arms(FrozenModel):
    """What is trained and compared."""

    stage_one: tuple[AlignPhase, ...] = Field(min_length=1)
    stage_two: tuple[AnswerPhase, ...] = Field(min_length=1)
    direct: DirectArm | None = None
    shuffled: bool = False
    lora: Lora | None = None  # of all arms; None: full training
    interventions: tuple[str, ...] = ("none",)


class PipelineConfig(FrozenModel):
    """A profile. `runtime` and `shards` say how it runs; everything else says what is made."""

    name: str = Field(pattern=r"^[^/\\]+$")  # of the report too
    seed: int = 0
    videos: Annotated[Questions | VideoSource, Component("storm.sources", default="auto")]
    keyframes: Annotated[Any, Component("storm.selectors")]
    teacher: Annotated[Any, Component("storm.teachers")]
    generator: Annotated[Any, Component("storm.generators")]
    quality: QualityGate = QualityGate()
    student: Annotated[TinyConfig | PretrainedConfig, Field(discriminator="kind")]
    curriculum: tuple[Phase, ...] = ()
    sampling: FrameSampling
    thought_sampling: FrameSampling
    pooling: Pooling
    keep_tokens: bool = False  # of thought videos: another pooling or K encodes nothing again
    dtype: Dtype = "float32"
    option_orders: int = Field(1, ge=1)
    max_new_tokens: int = Field(8, ge=1)
    arms: Arms
    benchmarks: tuple[BenchmarkConfig, ...] = ()  # that the arm `storm` is asked
    shards: dict[str, Annotated[int, Field(ge=1)]] = Field(default_factory=dict)
    quarantine_share: float = Field(0.05, ge=0, le=1)  # of a stage's items; above it, it fails
    runtime: Runtime = Runtime()  # pyright: ignore[reportCallIssue]
