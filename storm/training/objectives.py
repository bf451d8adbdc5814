"""What is learned in a phase: rows, their order, a loss.

An objective has one or several sources of rows. A step takes a fixed number of rows from each;
a micro batch holds rows of one source only, so what is padded together is alike.
"""

from __future__ import annotations

from abc import ABC
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from torch import nn

from storm.training import data_order as order
from storm.training.diagnostics import diagnose
from storm.training.questions import load_questions
from storm.training.spec import AlignPhase, AnswerPhase, TrainingSpec

if TYPE_CHECKING:
    from storm.student.student import Student


@dataclass(frozen=True)
class MicroBatch:
    source: str
    data: Any  # what the module's forward takes
    rows: int


@dataclass(frozen=True)
class Source:
    name: str
    size: int  # rows in an epoch
    batch: int  # rows a step, over all ranks
    collate: Callable[[Sequence[int]], Any]


class Objective(ABC):
    """`module(data)` gives (loss: mean over rows, {name: number})."""

    module: nn.Module
    sources: Sequence[Source]
    seed: int
    micro_batch: int | None

    def micro_batches(self, step: int, rank: int, ranks: int) -> list[MicroBatch]:
        """This rank's rows of step `step`, collated."""
        batches = []
        for source in self.sources:
            rows = order.rows_at(step, source.batch, source.size, source.name, self.seed)
            mine = order.share_of(rows, rank, ranks).tolist()
            limit = self.micro_batch or len(mine)
            for i in range(0, len(mine), limit):
                part = mine[i : i + limit]
                batches.append(MicroBatch(source.name, source.collate(part), len(part)))
        return batches

    def micro_batches_a_step(self, rank: int, ranks: int) -> int:
        shares = [len(order.share_of(range(s.batch), rank, ranks)) for s in self.sources]
        return sum(-(-share // (self.micro_batch or share)) for share in shares)

    def diagnose(self) -> dict[str, Any]:
        """Numbers about the trained student, taken once at the end of the phase."""
        return {}


class Answering(nn.Module):
    """The student and what is asked of its output."""

    def __init__(self, student: Student, feeding: Any, gradient: str, align_weight: float):
        super().__init__()
        self.student = student
        self.feeding = feeding if isinstance(feeding, str) else feeding.build()
        self.gradient, self.align_weight = gradient, align_weight

    def forward(self, batch: Any) -> tuple[Any, dict[str, float]]:
        batch = batch.to(self.student.device)
        output = self.student(batch, feeding=self.feeding, gradient=self.gradient)
        loss = output.answer_loss_per_row.mean()
        logs = {"answer_loss": loss.item()}
        if self.align_weight:
            align = (output.latents.float() - batch.targets.float()).square().mean()
            logs["align_loss"] = align.item()
            loss = loss + self.align_weight * align
        return loss, logs


class _QuestionObjective(Objective):
    def __init__(self, batch: int, spec: TrainingSpec, student: Student, module: nn.Module):
        self.questions = load_questions(spec, student.hidden_size)
        self.seed, self.micro_batch = spec.seed, spec.runtime.micro_batch
        self.spec, self.student, self.module = spec, student, module
        student.freeze_vision()  # its features were made before and stay what they are
        orders = spec.option_orders

        def collate(rows: Sequence[int]) -> Any:
            return student.collate([self.questions[r // orders].example(r % orders) for r in rows])

        self.sources = [Source("questions", len(self.questions) * orders, batch, collate)]

    def diagnose(self) -> dict[str, Any]:
        if not self.spec.use_latents:
            return {}
        return diagnose(self.student, self.questions, self.spec)


class AlignObjective(_QuestionObjective):
    """Stage I: latent states near their targets, and the answer."""

    def __init__(self, phase: AlignPhase, spec: TrainingSpec, student: Student):
        module = Answering(student, phase.feeding, phase.gradient, phase.align_weight)
        super().__init__(phase.batch, spec, student, module)
        for question in self.questions:
            question.require_target(student.k, student.hidden_size)


class AnswerObjective(_QuestionObjective):
    """Stage II through the rollout, or plain fine-tuning: the answer alone."""

    def __init__(self, phase: AnswerPhase, spec: TrainingSpec, student: Student):
        module = Answering(student, phase.feeding, phase.gradient, 0.0)
        super().__init__(phase.batch, spec, student, module)
