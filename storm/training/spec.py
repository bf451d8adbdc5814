"""The training specification that every rank reads: student, data and phases.

Every training (base, Stage I, Stage II and each arm of a comparison) is the same program with
another list of phases. This file holds data only and imports nothing heavy, so that a stage can
write a specification without loading torch.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from storm.config import Dtype, FrozenModel
from storm.errors import ConfigError
from storm.plugins import Component
from storm.runtime import Runtime
from storm.student.latent_head import LatentConfig
from storm.student.lora import Lora
from storm.student.modes import Mode

TargetsFrom = Literal["own", "shuffled", "mean", "gaussian"]
Share = Annotated[float, Field(ge=0, le=1)]


class MixedFeeding(FrozenModel):
    """Scheduled sampling: each row feeds its own latents with probability `p`, else the targets."""

    kind: Literal["mixed"] = "mixed"
    p: Share


class JacobiFeeding(FrozenModel):
    """The rollout by `sweeps` parallel passes over all latents (see storm.student.jacobi)."""

    kind: Literal["jacobi"] = "jacobi"
    sweeps: PositiveInt


class PhaseConfig(FrozenModel):
    """A phase of a training: its objective, its length, AdamW and the learning-rate schedule.

    Attributes:
        batch_divisor: A batch consists of this many equal parts, each from one source of rows.
        reads: The field of `TrainingSpec` that holds the phase's data.
        objective: Import path of the `Objective` that is built for it.
        batch: Rows of a step, over all ranks and micro batches.
        final_lr_share: The last learning rate as a share of the highest.
        clip: The largest norm of the gradient.
    """

    batch_divisor: ClassVar[int] = 1
    reads: ClassVar[Literal["rows", "curriculum"]] = "rows"
    objective: ClassVar[str]

    kind: str
    steps: PositiveInt
    learning_rate: PositiveFloat
    batch: PositiveInt = 64
    weight_decay: float = 0.01
    betas: tuple[float, float] = (0.9, 0.98)
    warmup_steps: int = Field(20, ge=0)
    final_lr_share: Share = 0.05
    clip: PositiveFloat = 1.0

    @property
    def title(self) -> str:
        """The name in a progress bar."""
        return self.kind


class Until(FrozenModel):
    """When a phase ends before its last step.

    Attributes:
        accuracy: Of the answers to the validation questions, through the student's own latents.
        every: Steps between two looks.
    """

    accuracy: float = Field(gt=0, le=1)
    every: PositiveInt = 20


class QuestionPhase(PhaseConfig):
    """A phase on the training questions.

    Attributes:
        feeding: What the latent span is fed: nothing, the targets (teacher forcing), the
            student's own latents (rollout), a mixture, or tokens of its own (prefill).
        gradient: Through the rollout: `full`, `truncated:N` or `detached`.
        until: Ends the phase once the student is good enough; None trains all `steps`. The
            learning rate follows its schedule over `steps` all the same.
    """

    feeding: Any  # each kind of phase narrows it
    gradient: str = "full"
    until: Until | None = None

    @property
    def title(self) -> str:
        """The name in a progress bar: the kind and what the latent span is fed."""
        feeding = self.feeding if isinstance(self.feeding, str) else self.feeding.kind
        return f"{self.kind}, fed {feeding}"


class AlignPhase(QuestionPhase):
    """Stage I: cross-entropy of the answer + `align_weight` * mean((z - g)^2).

    Attributes:
        questions: `all` trains on those without a target too, on their answers alone.
    """

    objective: ClassVar[str] = "storm.training.objectives:AlignObjective"

    kind: Literal["align"] = "align"  # pyright: ignore[reportIncompatibleVariableOverride]
    feeding: Literal["teacher", "rollout", "prefill"] | MixedFeeding | JacobiFeeding = "teacher"
    align_weight: float = Field(1.0, ge=0)
    questions: Literal["with_targets", "all"] = "with_targets"

    @model_validator(mode="after")
    def _has_what_it_feeds(self) -> AlignPhase:
        feeds_targets = self.feeding == "teacher" or isinstance(self.feeding, MixedFeeding)
        if self.questions == "all" and feeds_targets:
            raise ValueError(
                "expected feeding rollout, prefill or jacobi with questions: all, since some have "
                f"no target to feed, found {self.title!r}"
            )
        return self


class AnswerPhase(QuestionPhase):
    """Answers only: Stage II through the rollout, or plain fine-tuning with feeding `none`."""

    objective: ClassVar[str] = "storm.training.objectives:AnswerObjective"

    kind: Literal["answer"] = "answer"  # pyright: ignore[reportIncompatibleVariableOverride]
    feeding: Literal["none", "rollout", "prefill"] | JacobiFeeding = "rollout"


Phase = Annotated[PhaseConfig, Component("storm.phases")]


def check_training(phases: Iterable[PhaseConfig], runtime: Runtime, dtype: Dtype) -> None:
    """Refuse what these ranks can't train, before anything is made. Raises ConfigError."""
    for phase in phases:
        unit = runtime.ranks * phase.batch_divisor
        if phase.batch % unit:
            below, above = phase.batch // unit * unit, -(-phase.batch // unit) * unit
            fits = f"{below} or {above}" if below else str(above)
            raise ConfigError(
                f"expected a batch that is a multiple of {unit} (runtime.ranks = {runtime.ranks}"
                + (f", {phase.batch_divisor} parts a batch" if phase.batch_divisor > 1 else "")
                + f"), found {phase.batch}: set it to {fits}"
            )
    if dtype == "bfloat16" and runtime.zero_stage == 0:
        raise ConfigError(
            "expected runtime.zero_stage 1, 2 or 3 for dtype bfloat16 (they sum gradients in fp32 "
            "and keep fp32 master weights, also on one rank), found 0: set runtime.zero_stage=1"
        )


class RowFiles(FrozenModel):
    """Sealed Arrow shards (stream format), joined by question id and video id.

    Attributes:
        samples: `VideoSample`; rows of the split `train` are trained on, those
            of `val` tell when a phase may end.
        features: `VideoFeatures`.
        targets: `LatentTarget`; needed by `align` phases.
        prompts: `ThoughtPrompt`; their steps are the reasoning of a chain of thought.
    """

    samples: tuple[Path, ...]
    features: tuple[Path, ...]
    targets: tuple[Path, ...] = ()
    prompts: tuple[Path, ...] = ()


class TrainingSpec(FrozenModel):
    """What to train: from which student, on which data, in which phases.

    Attributes:
        student: Folder of the student to start from.
        output_dir: Folder of the trained student, made at the end in one rename.
        work_dir: Folder of checkpoints, metrics.jsonl and summary.json.
        rows: Data of the phases on questions.
        curriculum: Data of other phases, in a form of their own.
        mode: How the student answers.
        latent: The latent span to train with; None keeps the student's own.
        targets_from: `shuffled` takes the targets of another video, `mean` the mean of all,
            `gaussian` random directions of the same length (see storm.training.controls).
        option_orders: How many orders of its options a question is trained with.
        lora: None trains every weight of the language model.
    """

    student: Path
    output_dir: Path
    work_dir: Path
    seed: int
    phases: tuple[Phase, ...] = Field(min_length=1)
    rows: RowFiles | None = None
    curriculum: dict[str, Any] | None = None
    dtype: Dtype = "float32"
    mode: Mode = "latent"
    latent: LatentConfig | None = None
    targets_from: TargetsFrom = "own"
    option_orders: PositiveInt = 1
    lora: Lora | None = None
    runtime: Runtime = Runtime()  # pyright: ignore[reportCallIssue]

    @model_validator(mode="after")
    def _fits(self) -> TrainingSpec:
        check_training(self.phases, self.runtime, self.dtype)
        for phase in self.phases:
            if getattr(self, phase.reads) is None:
                raise ValueError(
                    f"a phase of kind {phase.kind!r} needs `{phase.reads}`, found none"
                )
            if phase.reads == "curriculum" and self.lora is not None:
                raise ValueError(f"expected no `lora` with a phase of kind {phase.kind!r}")
            if isinstance(phase, QuestionPhase) and self.use_latents != (phase.feeding != "none"):
                raise ValueError(
                    "expected feeding 'none' exactly where the mode is not latent, found "
                    f"{phase.feeding = }, {self.mode = }"
                )
        return self

    @property
    def use_latents(self) -> bool:
        """Whether questions get a latent span."""
        return self.mode == "latent"

    def identity(self) -> dict[str, Any]:
        """Return what the trained weights depend on: all but where and how it runs."""
        return self.model_dump(mode="json", exclude={"runtime", "output_dir", "work_dir"})
