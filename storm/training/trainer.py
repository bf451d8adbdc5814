"""Train a spec's phases, one after another, so that a killed training resumes exactly.

A phase starts from the student that the one before it left and leaves its own, complete, under
`work_dir/phases`. Inside a phase, `work_dir/checkpoints` holds the last two states. The last
phase's student becomes `output_dir` in one rename.
"""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from storm.artifacts.fs import digest, read_json, write_json
from storm.student import Student
from storm.student.importing import with_latent
from storm.student.lora import attach
from storm.training import checkpoints
from storm.training.engine import Engine, release_memory, seed_everything
from storm.training.metrics import Emit, Metrics
from storm.training.objectives import Objective, build_objective
from storm.training.spec import PhaseConfig, QuestionPhase, TrainingSpec

if TYPE_CHECKING:
    from peft import PeftModel


class Trainer:
    """All phases of a spec, as one rank of a group.

    Attributes:
        spec: What to train.
        rank: This process, from 0.
        ranks: How many processes the group has.
        run_id: Digest of everything that the weights depend on.
        phases_dir: Folder of the students that phases left.
        checkpoints_dir: Folder of the running phase's states.
        metrics: Events and curves; silent on all ranks but 0.
    """

    def __init__(self, spec: TrainingSpec, emit: Emit, rank: int, ranks: int):
        self.spec, self.rank, self.ranks = spec, rank, ranks
        self.run_id = digest(spec.identity())
        self.phases_dir = spec.work_dir / "phases"
        self.checkpoints_dir = spec.work_dir / "checkpoints"
        for folder in (self.phases_dir, self.checkpoints_dir):
            folder.mkdir(parents=True, exist_ok=True)
        steps = [phase.steps for phase in spec.phases]
        self.metrics = Metrics(spec.work_dir, emit, steps, silent=rank > 0)

    def run(self) -> None:
        """Train the phases that are left, then publish the student."""
        first, student = 0, self.spec.student
        newest = checkpoints.newest(self.phases_dir, run=self.run_id)
        if newest is not None:
            student, first = newest.folder, newest.record["phase"] + 1
        for number in range(first, len(self.spec.phases)):
            student = self.run_phase(number, student)
            release_memory()  # or the next phase loads beside this one's model and optimizer
        if self.rank == 0:
            self.finish(student)
        self.metrics.close()
        torch.distributed.barrier()

    def run_phase(self, number: int, start: Path) -> Path:
        """Train one phase from the student in `start`; return the folder of the student it left."""
        phase = PhaseTrainer(self, number, start)
        phase.resume()
        phase.train_steps()
        return phase.finish()

    def finish(self, student: Path) -> None:
        """Write summary.json, then the student as `output_dir` in one rename."""
        phases = [
            read_json(self.phase_dir(number) / checkpoints.RECORD)["summary"]
            for number in range(len(self.spec.phases))
        ]
        summary = {
            "optimizer_steps": sum(phase["steps"] for phase in phases),
            "final_loss": phases[-1]["final_loss"],
            "ranks": self.ranks,
            "phases": phases,
        }
        write_json(self.spec.work_dir / "summary.json", summary)
        checkpoints.publish(student, self.spec.output_dir)

    def phase_dir(self, number: int) -> Path:
        """Return the folder of the student that a phase leaves."""
        return self.phases_dir / checkpoints.folder_name(number, self.spec.phases[number].steps)

    def topology(self) -> dict[str, Any]:
        """Return what a checkpoint must have in common with this run to be continued exactly."""
        runtime = self.spec.runtime
        return {
            "run": self.run_id,
            "ranks": self.ranks,
            "zero_stage": runtime.zero_stage,
            "micro_batch": runtime.micro_batch,
        }


class PhaseTrainer:
    """One phase: a student, what it learns, and the engine that changes it.

    Attributes:
        trainer: What trains all phases.
        number: Its number, from 0.
        phase: Its configuration.
        student: The student that learns.
        adapter: LoRA around the student's language model, if the spec has any.
        objective: Rows, their order, and `objective.module`: batch -> (loss, its parts), where
            the loss is a function of storm/training/loss.py.
        engine: DeepSpeed around `objective.module`: forward, backward, optimizer step.
        start_step: How many steps were done when it began or resumed.
        step: How many steps are done.
    """

    trainer: Trainer
    number: int
    phase: PhaseConfig
    student: Student
    adapter: PeftModel | None
    objective: Objective
    engine: Engine
    start_step: int
    step: int

    def __init__(self, trainer: Trainer, number: int, start: Path):
        self._began = time.monotonic(), time.process_time()
        spec = trainer.spec
        self.trainer, self.number, self.phase = trainer, number, spec.phases[number]
        self.student = Student.from_pretrained(start, dtype=spec.dtype, device=spec.runtime.device)
        if spec.latent is not None:
            self.student = with_latent(self.student, spec.latent)
        self.student.train()
        self.adapter = None
        if spec.lora is not None:
            seed_everything(spec.seed, number, "lora")
            self.adapter = attach(self.student, spec.lora)
        if spec.runtime.gradient_checkpointing:
            self.student.gradient_checkpointing()
        self.objective = build_objective(self.phase, spec, self.student)
        self.engine = Engine(
            self.objective.module,
            self.phase,
            spec,
            grad_accum_steps=self.objective.grad_accum_steps(trainer.rank, trainer.ranks),
        )
        self.start_step = self.step = 0

    def resume(self) -> None:
        """Continue from this phase's newest complete checkpoint, if there is one."""
        trainer = self.trainer
        newest = checkpoints.newest(
            trainer.checkpoints_dir, phase=self.number, **trainer.topology()
        )
        torch.distributed.barrier()
        if newest is not None:
            self.engine.load(newest.folder)
            self.start_step = self.step = newest.record["step"]
        if trainer.rank == 0:
            keep = 0 if newest is None else checkpoints.KEEP
            checkpoints.prune(trainer.checkpoints_dir, keep=keep)
        trainer.metrics.resume(self.number, self.step)
        trainer.metrics.event(
            "phase",
            phase=self.phase.kind,
            number=self.number,
            of=len(trainer.spec.phases),
            resumed_at=self.step,
        )

    def train_steps(self) -> None:
        """Train the steps that are left; save a checkpoint every `runtime.save_every` steps.

        A look at the validation questions comes before the save of the same step, so that no
        checkpoint is of the step that ends the phase: a resumed training looks there again.
        """
        trainer, spec, phase = self.trainer, self.trainer.spec, self.phase
        until = phase.until if isinstance(phase, QuestionPhase) else None
        enough = False
        while self.step < phase.steps:
            seed_everything(spec.seed, self.number, self.step, trainer.rank)
            began = time.monotonic()
            batches = self.objective.micro_batches(self.step, trainer.rank, trainer.ranks)
            numbers = self.engine.step(self.step, batches)
            numbers["rows_per_second"] = phase.batch / (time.monotonic() - began)
            if until is not None and (self.step + 1) % until.every == 0:
                numbers["val_accuracy"] = accuracy = self.validate() or 0.0
                enough = accuracy >= until.accuracy
            trainer.metrics.step(self.number, phase.kind, self.step, phase.steps, numbers)
            self.step += 1
            if enough:
                break
            if self.step % spec.runtime.save_every == 0 and self.step < phase.steps:
                self.save()

    def validate(self) -> float | None:
        """Return the accuracy on the validation questions, the same on all ranks."""
        accuracy = self.objective.validate()
        return None if accuracy is None else self.engine.agree(accuracy)

    def save(self) -> None:
        """Write a checkpoint. The data's position and the generators follow from the step."""
        trainer = self.trainer
        folder = trainer.checkpoints_dir / checkpoints.folder_name(self.number, self.step)
        trainer.metrics.event("saving", number=self.number, step=self.step)
        if trainer.rank == 0:
            shutil.rmtree(folder, ignore_errors=True)
        torch.distributed.barrier()
        self.engine.save(folder)
        if trainer.rank == 0:
            facts = {"phase": self.number, "step": self.step, "seed": trainer.spec.seed}
            checkpoints.mark_complete(folder, {**facts, **trainer.topology()})
            checkpoints.prune(trainer.checkpoints_dir, keep=checkpoints.KEEP)
        torch.distributed.barrier()

    def finish(self) -> Path:
        """Save the student and return its folder; diagnose it and forget the checkpoints."""
        trainer, phase = self.trainer, self.phase
        folder = trainer.phase_dir(self.number)
        seed_everything(trainer.spec.seed, self.number, phase.steps)
        diagnostics = self.objective.diagnose()
        if (accuracy := self.validate()) is not None:
            diagnostics["val_accuracy"] = accuracy
        with self.engine.gathered_parameters():
            if trainer.rank == 0:
                shutil.rmtree(folder, ignore_errors=True)
                if self.adapter is not None:
                    self.adapter.merge_and_unload()
                self.student.save_pretrained(folder)
        self.engine.close()
        if diagnostics:
            trainer.metrics.event(
                "diagnostics", phase=phase.kind, number=self.number, **diagnostics
            )
        if trainer.rank == 0:
            summary = self._summary(diagnostics)
            record = {"run": trainer.run_id, "phase": self.number, "summary": summary}
            checkpoints.mark_complete(folder, record)
            checkpoints.prune(trainer.checkpoints_dir, keep=0)
        torch.distributed.barrier()
        return folder

    def _summary(self, diagnostics: dict[str, Any]) -> dict[str, Any]:
        rows = self.trainer.metrics.read()
        losses = [row["loss"] for row in rows if row["phase"] == self.number][-20:]
        began, cpu = self._began
        return {
            "kind": self.phase.kind,
            "steps": self.step,
            "most_steps": self.phase.steps,
            "final_loss": sum(losses) / len(losses),
            "seconds": round(time.monotonic() - began, 1),
            "cpu_seconds": round(time.process_time() - cpu, 1),
            "resumed_at": self.start_step,
            "diagnostics": diagnostics,
        }
