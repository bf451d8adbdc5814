"""What a phase learns: rows, their order and a loss.

An objective has one or several sources of rows. A step takes a fixed number of rows from each; a
micro batch holds rows of one source only, so that rows which are padded together are alike.
"""

from __future__ import annotations

from abc import ABC
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from torch import nn

from storm.errors import DataError, UnfitQuestion
from storm.plugins import find
from storm.student.gradient import FULL, Gradient
from storm.training.data_order import rows_at, shard_for_rank
from storm.training.diagnostics import accuracy, diagnose
from storm.training.loss import Loss, LossFn, align_loss, answer_loss
from storm.training.questions import (
    TrainingQuestion,
    load_questions,
    load_validation_questions,
)
from storm.training.spec import (
    AlignPhase,
    AnswerPhase,
    JacobiFeeding,
    MixedFeeding,
    PhaseConfig,
    QuestionPhase,
    TrainingSpec,
)

if TYPE_CHECKING:
    from storm.student.batch import Batch
    from storm.student.rollout import Feeding
    from storm.student.student import Student


@dataclass(frozen=True)
class MicroBatch:
    """Rows of one source, collated.

    Attributes:
        source: Name of the source.
        data: What the objective's module takes.
        rows: How many rows `data` holds.
    """

    source: str
    data: Any
    rows: int


@dataclass(frozen=True)
class RowSource:
    """Rows of one kind.

    Attributes:
        name: A name for the log, and part of the seed of the rows' order.
        size: Rows in an epoch.
        batch: Rows of a step, over all ranks.
        collate: Turns row numbers into what the objective's module takes.
    """

    name: str
    size: int
    batch: int
    collate: Callable[[Sequence[int]], Any]


class Objective(ABC):
    """Rows, their order and a loss.

    Attributes:
        module: Everything that learns; `module(data)` returns the loss and its parts.
        sources: Where a step's rows come from.
        seed: Seed of the rows' order.
        micro_batch: Most rows at once; None takes all of a rank's rows.
    """

    module: nn.Module
    sources: Sequence[RowSource]
    seed: int
    micro_batch: int | None

    def micro_batches(self, step: int, rank: int, ranks: int) -> list[MicroBatch]:
        """Return this rank's rows of a step, collated."""
        batches = []
        for source in self.sources:
            rows = rows_at(step, source.batch, source.size, source.name, self.seed)
            mine = shard_for_rank(rows, rank, ranks).tolist()
            limit = self.micro_batch or len(mine)
            for i in range(0, len(mine), limit):
                part = mine[i : i + limit]
                batches.append(MicroBatch(source.name, source.collate(part), len(part)))
        return batches

    def grad_accum_steps(self, rank: int, ranks: int) -> int:
        """Return how many micro batches a step of this rank has."""
        shards = [len(shard_for_rank(range(s.batch), rank, ranks)) for s in self.sources]
        return sum(-(-rows // (self.micro_batch or rows)) for rows in shards)

    def diagnose(self) -> dict[str, Any]:
        """Return numbers about the trained student, taken once at the end of the phase."""
        return {}

    def validate(self) -> float | None:
        """Return the accuracy on the validation questions; None without any."""
        return None


def build_objective(phase: PhaseConfig, spec: TrainingSpec, student: Student) -> Objective:
    """Return the objective that a phase names; it freezes what rests in this phase."""
    return find("storm.phases", phase.objective)(phase, spec, student)


class StudentWithLoss(nn.Module):
    """A student and the loss of its output: one module, as DeepSpeed wants it."""

    def __init__(
        self, student: Student, loss_fn: LossFn, feeding: Feeding, gradient: Gradient = FULL
    ):
        super().__init__()
        self.student = student
        self.loss_fn = loss_fn
        self.feeding = feeding
        self.gradient = gradient

    def forward(self, batch: Batch) -> Loss:
        """Return the loss of a batch and its parts."""
        batch = batch.to(self.student.device)
        output = self.student(batch, feeding=self.feeding, gradient=self.gradient)
        return self.loss_fn(output, batch)


class QuestionObjective(Objective):
    """A loss on the training questions, with cached video features."""

    def __init__(self, phase: QuestionPhase, spec: TrainingSpec, student: Student, loss_fn: LossFn):
        self.spec, self.student = spec, student
        self.seed, self.micro_batch = spec.seed, spec.runtime.micro_batch
        self.left_out: dict[str, str] = {}  # questions that the student can't be asked, and why
        self.questions = self._fitting(load_questions(spec, student.hidden_size, phase))
        validation = load_validation_questions(spec, student.hidden_size)
        self.validation_questions = self._fitting(validation)
        if not self.questions:
            raise DataError(
                f"expected training questions that the student can be asked, found none: "
                f"{next(iter(self.left_out.items()))}"
            )
        asked = [*self.questions, *self.validation_questions]
        self.new_tokens = max(len(student.prompts.answer_ids(q.trained_answer)) for q in asked)
        if phase.until is not None and not self.validation_questions:
            raise DataError(
                "expected questions of the split `val` for a phase with `until`, found none: "
                "mark some, set videos.val_share, or leave `until` out"
            )
        self.module = StudentWithLoss(
            student, loss_fn, build_feeding(phase), Gradient.parse(phase.gradient)
        )
        student.freeze_vision()  # its features were made before and stay what they are
        orders = spec.option_orders

        def collate(rows: Sequence[int]) -> Batch:
            return student.collate([self.questions[r // orders].example(r % orders) for r in rows])

        size = len(self.questions) * orders
        self.sources = [RowSource("questions", size, phase.batch, collate)]

    def _fitting(self, questions: Sequence[TrainingQuestion]) -> list[TrainingQuestion]:
        """Return the questions that the student can be asked; note the others."""
        fitting: list[TrainingQuestion] = []
        for question in questions:
            try:
                self.student.prompts.check(question.example(0))
                fitting.append(question)
            except UnfitQuestion as error:
                self.left_out[question.sample.id] = f"{error.reason}: {error.detail}"
        return fitting

    def diagnose(self) -> dict[str, Any]:
        """Return which questions were left out, and what the rolled-out latents are worth."""
        left_out = {"left_out": self.left_out} if self.left_out else {}
        if not self.spec.use_latents:
            return left_out
        return left_out | diagnose(self.student, self.questions, self.spec, self.new_tokens)

    def validate(self) -> float | None:
        """Return the accuracy on the validation questions; None without any."""
        if not self.validation_questions:
            return None
        return accuracy(self.student, self.validation_questions, self.spec, self.new_tokens)


class AlignObjective(QuestionObjective):
    """Stage I: latents near their targets, and the answer."""

    def __init__(self, phase: AlignPhase, spec: TrainingSpec, student: Student):
        super().__init__(phase, spec, student, partial(align_loss, weight=phase.align_weight))
        for question in self.questions:
            if question.target is not None or phase.questions == "with_targets":
                question.require_target(student.k, student.hidden_size)


class AnswerObjective(QuestionObjective):
    """Stage II through the rollout, or plain fine-tuning: the answer only."""

    def __init__(self, phase: AnswerPhase, spec: TrainingSpec, student: Student):
        super().__init__(phase, spec, student, answer_loss)


def build_feeding(phase: QuestionPhase) -> Feeding:
    """Return what the student's latent span is fed, as its forward pass takes it."""
    from storm.student.jacobi import Jacobi
    from storm.student.rollout import Mixed

    match phase.feeding:
        case MixedFeeding(p=p):
            return Mixed(p)
        case JacobiFeeding(sweeps=sweeps):
            return Jacobi(sweeps)
        case name:
            return name
