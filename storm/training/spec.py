"""What a rank is told: one JSON file that names the student, the data and a list of phases.

Every training (base, Stage I, Stage II and each arm of a comparison) is the same program with
another list. A phase's configuration builds its objective; this file imports nothing heavy, so a
stage can write a spec without loading torch.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from storm.config import FrozenModel
from storm.errors import ConfigError
from storm.runtime import Runtime
from storm.shell_game.scene import World
from storm.student.lora import Lora
from storm.videos.decoding.sampling import FrameSampling

if TYPE_CHECKING:
    from storm.student import Student
    from storm.student.rollout import Feeding
    from storm.training.objectives import Objective

Share = Annotated[float, Field(ge=0, le=1)]


class MixedFeeding(FrozenModel):
    """Each row draws: with probability `p` its own latents are fed back, else the targets."""

    kind: Literal["mixed"] = "mixed"
    p: Share

    def build(self) -> Feeding:
        from storm.student.rollout import Mixed

        return Mixed(self.p)


class JacobiFeeding(FrozenModel):
    """The rollout by `sweeps` parallel passes over all latents (see storm.student.jacobi)."""

    kind: Literal["jacobi"] = "jacobi"
    sweeps: PositiveInt

    def build(self) -> Feeding:
        from storm.student.jacobi import Jacobi

        return Jacobi(self.sweeps)


class Schedule(FrozenModel):
    """How long and how fast a phase learns: AdamW, warm-up, then a cosine."""

    parts: ClassVar[int] = 1  # a batch is made of so many equal parts, each from one source

    steps: PositiveInt
    learning_rate: PositiveFloat
    batch: PositiveInt = 64  # rows a step over all ranks and micro batches
    weight_decay: float = 0.01
    betas: tuple[float, float] = (0.9, 0.98)
    warmup_steps: int = Field(20, ge=0)
    final_lr_share: Share = 0.05
    clip: PositiveFloat = 1.0  # largest norm of the gradient

    @property
    def title(self) -> str:
        """What a progress bar calls it: the kind, and what is fed in the latent span."""
        feeding = getattr(self, "feeding", None)
        name = getattr(self, "kind", "phase")
        return name if feeding is None else f"{name}, fed {getattr(feeding, 'kind', feeding)}"

    def rate(self, step: int) -> float:
        from storm.training.schedule import learning_rate

        return learning_rate(
            step,
            steps=self.steps,
            peak=self.learning_rate,
            warmup_steps=self.warmup_steps,
            final_share=self.final_lr_share,
        )


class AlignPhase(Schedule):
    """Stage I: cross-entropy of the answer + `align_weight` * mean((z - g)^2)."""

    kind: Literal["align"] = "align"
    feeding: Literal["teacher", "rollout"] | MixedFeeding | JacobiFeeding = "teacher"
    align_weight: float = Field(1.0, ge=0)
    gradient: str = "full"  # of the rollout: full | truncated:N | detached

    def build(self, spec: TrainingSpec, student: Student) -> Objective:
        from storm.training.objectives import AlignObjective

        return AlignObjective(self, spec, student)


class AnswerPhase(Schedule):
    """Answers alone: Stage II through the rollout, or plain fine-tuning with feeding `none`."""

    kind: Literal["answer"] = "answer"
    feeding: Literal["none", "rollout"] | JacobiFeeding = "rollout"
    gradient: str = "full"

    def build(self, spec: TrainingSpec, student: Student) -> Objective:
        from storm.training.objectives import AnswerObjective

        return AnswerObjective(self, spec, student)


class VisionPhase(Schedule):
    """The shell world's tower: which place, which pair a temporal patch shows."""

    parts: ClassVar[int] = 4

    kind: Literal["curriculum_vision"] = "curriculum_vision"
    batch: PositiveInt = 256  # temporal patches
    weight_decay: float = 0.05

    def build(self, spec: TrainingSpec, student: Student) -> Objective:
        from storm.shell_game.curriculum import VisionObjective

        return VisionObjective(self, spec, student)


class TextPhase(Schedule):
    """The shell world's language: swaps, places, easy questions, answers read off a thought."""

    parts: ClassVar[int] = 8

    kind: Literal["curriculum_text"] = "curriculum_text"

    def build(self, spec: TrainingSpec, student: Student) -> Objective:
        from storm.shell_game.curriculum import TextObjective

        return TextObjective(self, spec, student)


Phase = Annotated[AlignPhase | AnswerPhase | VisionPhase | TextPhase, Field(discriminator="kind")]


def check_training(phases: Iterable[Schedule], runtime: Runtime, dtype: str) -> None:
    """Refuse what these ranks can't train, before anything is made. Raises ConfigError."""
    for phase in phases:
        unit = runtime.ranks * phase.parts
        if phase.batch % unit:
            below, above = phase.batch // unit * unit, -(-phase.batch // unit) * unit
            fits = f"{below} or {above}" if below else str(above)
            raise ConfigError(
                f"expected a batch that is a multiple of {unit} (runtime.ranks = {runtime.ranks}"
                + (f", {phase.parts} parts a batch" if phase.parts > 1 else "")
                + f"), found {phase.batch}: set it to {fits}"
            )
    if dtype == "bfloat16" and runtime.zero_stage == 0:
        raise ConfigError(
            "expected runtime.zero_stage 1, 2 or 3 for dtype bfloat16 (they sum gradients in fp32 "
            "and keep fp32 master weights, also on one rank), found 0: set runtime.zero_stage=1"
        )


class RowFiles(FrozenModel):
    """Sealed Arrow shards (stream format); joined by question id and video id."""

    samples: tuple[Path, ...]  # VideoSample; only rows of split `train` are used
    features: tuple[Path, ...]  # VideoFeatures
    targets: tuple[Path, ...] = ()  # LatentTarget; needed by `align` phases


class CurriculumFiles(FrozenModel):
    """The shell world's base videos and what is true of them."""

    videos: dict[str, Path]  # video id -> file
    truth: Path  # JSONL: {"video_id", "scene"} a line; only scenes of the split `base`
    world: World
    sampling: FrameSampling


class TrainingSpec(FrozenModel):
    student: Path  # folder of the student to start from
    out: Path  # folder of the trained student, made at the end in one rename
    work: Path  # checkpoints, metrics.jsonl, summary.json
    seed: int
    phases: tuple[Phase, ...] = Field(min_length=1)
    rows: RowFiles | None = None
    curriculum: CurriculumFiles | None = None
    dtype: Literal["float32", "bfloat16"] = "float32"
    targets_from: Literal["own", "shuffled"] = "own"  # shuffled: those of another video
    use_latents: bool = True
    option_orders: PositiveInt = 1  # how many orders of its options a question is trained with
    lora: Lora | None = None  # None: every weight of the language model learns
    runtime: Runtime = Runtime()  # pyright: ignore[reportCallIssue]

    @model_validator(mode="after")
    def _fits(self) -> TrainingSpec:
        check_training(self.phases, self.runtime, self.dtype)
        for phase in self.phases:
            curriculum = phase.kind.startswith("curriculum")
            if (self.curriculum if curriculum else self.rows) is None:
                name = "curriculum" if curriculum else "rows"
                raise ValueError(f"a phase of kind {phase.kind!r} needs `{name}`, found none")
            if curriculum and self.lora is not None:
                raise ValueError(f"expected no `lora` with a phase of kind {phase.kind!r}")
            if not curriculum and self.use_latents != (phase.feeding != "none"):  # pyright: ignore
                raise ValueError(
                    f"expected feeding 'none' exactly where use_latents is false, found "
                    f"{phase.feeding = }, {self.use_latents = }"  # pyright: ignore
                )
        return self

    def identity(self) -> dict[str, Any]:
        """What the trained weights depend on: all but where and how it runs."""
        return self.model_dump(mode="json", exclude={"runtime", "out", "work"})
