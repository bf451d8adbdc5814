"""The configuration that a profile holds."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from storm.config import Dtype, FrozenModel
from storm.evaluation.config import BenchmarkConfig
from storm.evaluation.intervention_names import InterventionName
from storm.keyframes.base import SelectorConfig
from storm.latent_targets.pooling import Pooling
from storm.pipeline.sources import VideoSource
from storm.plugins import Component
from storm.runtime import Runtime
from storm.student.importing import PretrainedConfig
from storm.student.lora import Lora
from storm.student.tiny.tiny import TinyConfig
from storm.thought_prompts.base import TeacherConfig
from storm.thought_videos.base import GeneratorConfig
from storm.thought_videos.quality import QualityGate
from storm.training.spec import AlignPhase, AnswerPhase, Phase
from storm.videos.decoding.sampling import FrameSampling
from storm.videos.questions.sources import QuestionSource


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
    """The arms that are trained and compared.

    Attributes:
        stage_one: Phases that align latents with their targets.
        stage_two: Phases on answers only, through the rollout.
        direct: The baseline without latents; None leaves it out.
        shuffled: Whether to train a control with the targets of other videos.
        lora: Adapters of all arms; None trains every weight of the language model.
        interventions: Changes of the latents under which test questions are answered.
    """

    stage_one: tuple[AlignPhase, ...] = Field(min_length=1)
    stage_two: tuple[AnswerPhase, ...] = Field(min_length=1)
    direct: DirectArm | None = None
    shuffled: bool = False
    lora: Lora | None = None
    interventions: tuple[InterventionName, ...] = ("none",)


class PipelineConfig(FrozenModel):
    """A profile.

    `runtime`, `shards` and `quarantine_share` say how it runs; everything else what is made.

    Attributes:
        name: Names the report too.
        videos: Where questions and videos come from.
        teacher: The prompt LLM, which says what a thought video has to show.
        curriculum: Phases that teach the base before any question is asked.
        sampling: Which frames of a video the student sees.
        thought_sampling: Which frames of a thought video become targets.
        keep_tokens: Whether to keep the tokens of thought videos, so that another pooling or K
            needs no encoding.
        option_orders: How many orders of its options a question is trained with.
        benchmarks: What the arm `storm` is evaluated on.
        quarantine_share: Above this share of quarantined items a stage fails.
    """

    name: str = Field(pattern=r"^[^/\\]+$")
    seed: int = 0
    videos: Annotated[QuestionSource | VideoSource, Component("storm.sources", default="auto")]
    keyframes: Annotated[SelectorConfig, Component("storm.selectors")]
    teacher: Annotated[TeacherConfig, Component("storm.teachers")]
    generator: Annotated[GeneratorConfig, Component("storm.generators")]
    quality: QualityGate = QualityGate()
    student: Annotated[TinyConfig | PretrainedConfig, Field(discriminator="kind")]
    curriculum: tuple[Phase, ...] = ()
    sampling: FrameSampling
    thought_sampling: FrameSampling
    pooling: Pooling
    keep_tokens: bool = False
    dtype: Dtype = "float32"
    option_orders: int = Field(1, ge=1)
    max_new_tokens: int = Field(8, ge=1)
    arms: Arms
    benchmarks: tuple[BenchmarkConfig, ...] = ()
    shards: dict[str, Annotated[int, Field(ge=1)]] = Field(default_factory=dict)
    quarantine_share: float = Field(0.05, ge=0, le=1)
    runtime: Runtime = Runtime()  # pyright: ignore[reportCallIssue]
