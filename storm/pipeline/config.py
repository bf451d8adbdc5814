"""The configuration that a profile holds."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, PositiveFloat, model_validator

from storm.config import Dtype, FrozenModel, Split
from storm.evaluation.config import BenchmarkConfig
from storm.evaluation.intervention_names import NO_INTERVENTION, InterventionName
from storm.evaluation.results import Role
from storm.keyframes.base import SelectorConfig
from storm.latent_targets.pooling import Pooling
from storm.pipeline.sources import VideoSource
from storm.plugins import Component
from storm.runtime import Runtime
from storm.student.importing import PretrainedConfig
from storm.student.latent_head import LatentConfig
from storm.student.lora import Lora
from storm.student.modes import Mode
from storm.student.tiny.tiny import TinyConfig
from storm.thought_prompts.base import TeacherConfig
from storm.thought_videos.base import GeneratorConfig
from storm.thought_videos.quality import QualityGate
from storm.training.spec import AlignPhase, AnswerPhase, Phase, QuestionPhase, TargetsFrom
from storm.videos.decoding.sampling import FrameSampling
from storm.videos.questions.sources import QuestionSource


class Training(FrozenModel):
    """What a student learns, and how it answers.

    A student of mode `latent` goes through `stage_one` and `stage_two`, one of any other mode
    through `fine_tuning`. So one profile holds the phases of every mode, and an arm names its own.

    Attributes:
        mode: `latent` takes K latent steps before its answer, `direct` answers at once, `cot`
            writes the teacher's steps as text first.
        stage_one: Phases that align latents with their targets.
        stage_two: Phases on answers only, through the latents.
        fine_tuning: Phases on answers, without latents.
        latent: The latent span to train with; None keeps the base's own.
        targets_from: Whose targets a question's latents are aligned with (see TrainingSpec).
        after: The arm whose student it starts from; '' starts from the base.
        lora: Adapters; None trains every weight of the language model.
        rate_scale: A factor of every learning rate.
    """

    mode: Mode = "latent"
    stage_one: tuple[AlignPhase, ...] = ()
    stage_two: tuple[AnswerPhase, ...] = ()
    fine_tuning: tuple[AnswerPhase, ...] = ()
    latent: LatentConfig | None = None
    targets_from: TargetsFrom = "own"
    after: str = ""
    lora: Lora | None = None
    rate_scale: PositiveFloat = 1.0

    @model_validator(mode="after")
    def _trains(self) -> Training:
        if self.mode == "latent" and not (self.stage_one or self.stage_two):
            raise ValueError(
                "expected phases in stage_one or stage_two for mode latent, found none"
            )
        if self.mode != "latent" and not self.fine_tuning:
            raise ValueError(f"expected phases in fine_tuning for mode {self.mode}, found none")
        return self

    @property
    def phases(self) -> tuple[QuestionPhase, ...]:
        """All phases of the mode, in order."""
        if self.mode == "latent":
            return (*self.stage_one, *self.stage_two)
        return self.fine_tuning


class PipelineConfig(FrozenModel):
    """A profile.

    `runtime`, `shards` and `quarantine_share` say how it runs; everything else what is made.

    An arm is the same profile with some values changed, trained and tested beside it: `arms` in
    every run, `study` by `storm study`. In a file an arm holds its changes only.

    Attributes:
        name: Names the report too; of an arm, its key.
        role: What an arm says in the verdict: `direct` is the baseline without latents, a `dummy`
            has latents that were never aligned, a `control` has targets that can't help, a `rival`
            is another method, an `ablation` leaves a part out.
        videos: Where questions and videos come from.
        teacher: The prompt LLM, which says what a thought video has to show.
        curriculum: Phases that teach the base before any question is asked.
        sampling: Which frames of a video the student sees.
        thought_sampling: Which frames of a thought video become targets.
        keep_tokens: Whether to keep the tokens of thought videos, so that another pooling or K
            needs no encoding.
        option_orders: How many orders of its options a question is trained with.
        thought_share: The share of the training and validation videos that get thought videos.
        target_splits: The splits whose questions get one; the intervention `oracle` needs `test`.
        interventions: Changes of the latents under which test questions are answered.
        benchmarks: What the student is evaluated on.
        arms: What every run compares with.
        study: What `storm study` compares with besides.
        quarantine_share: Above this share of quarantined items a stage fails.
    """

    name: str = Field(pattern=r"^[^/\\]+$")
    role: Role = "main"
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
    thought_share: float = Field(1.0, gt=0, le=1)
    target_splits: tuple[Split, ...] = ("train",)
    training: Training
    interventions: tuple[InterventionName, ...] = (NO_INTERVENTION,)
    benchmarks: tuple[BenchmarkConfig, ...] = ()
    arms: dict[str, PipelineConfig] = Field(default_factory=dict)
    study: dict[str, PipelineConfig] = Field(default_factory=dict)
    shards: dict[str, Annotated[int, Field(ge=1)]] = Field(default_factory=dict)
    quarantine_share: float = Field(0.05, ge=0, le=1)
    runtime: Runtime = Runtime()  # pyright: ignore[reportCallIssue]

    @property
    def latent(self) -> LatentConfig:
        """The latent span of the trained student."""
        return self.training.latent or self.student.latent
