"""One rank of a training: `python -m storm.training.rank SPEC.json`, started by `launch.py`.

Goes through the spec's phases. A phase starts from the student that the one before it left and
leaves its own, whole, under `work/phases`; inside a phase, `work/checkpoints` holds the last
two states. A killed run started again continues from the newest whole folder and ends
with the same weights. The last phase's student becomes `out` in one rename.
"""

from __future__ import annotations

import os
import shutil
import sys
import threading
import time
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from storm.artifacts.fs import digest, read_json, write_json
from storm.errors import ConfigError, StageFailed, StormError
from storm.process.run_child import watch_owner
from storm.training import checkpoints
from storm.training.metrics import Emit, Metrics, take_stdout
from storm.training.spec import Phase, TrainingSpec


def main(arguments: list[str]) -> int:
    emit = take_stdout()
    try:
        spec = read_spec(Path(arguments[0]))
        _prepare_process(spec.runtime.device)
        train(spec, emit)
    except StormError as error:
        emit({"error": str(error)})
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


def read_spec(path: Path) -> TrainingSpec:
    try:
        return TrainingSpec.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise ConfigError(f"expected a training spec in {path}, found: {error}") from None


def train(spec: TrainingSpec, emit: Emit) -> None:
    """Train all phases in this process, as one rank of the group in the environment.

    Raises StageFailed when memory runs out.
    """
    import torch

    from storm.training.engine import start_distributed

    runtime = spec.runtime
    torch.set_num_threads(runtime.threads)
    rank, ranks = start_distributed(runtime.device, runtime.stall_seconds)
    try:
        if not spec.out.exists():
            _Training(spec, emit, rank, ranks).run()
    except (torch.OutOfMemoryError, MemoryError) as error:
        raise StageFailed(
            f"expected the training to fit into memory, found {error!r} on rank {rank} of {ranks}: "
            f"lower runtime.micro_batch (now {runtime.micro_batch or 'all rows of a step'}), set "
            "runtime.gradient_checkpointing, or raise runtime.zero_stage (now "
            f"{runtime.zero_stage}) or runtime.ranks"
        ) from error
    if rank == 0:
        summary = read_json(spec.work / "summary.json")
        emit({"event": "done", "out": str(spec.out), **summary})
    # not after an error: it would wait for ranks that wait for this one, and nothing be said
    torch.distributed.destroy_process_group()


class _Training:
    def __init__(self, spec: TrainingSpec, emit: Emit, rank: int, ranks: int):
        self.spec, self.rank, self.ranks = spec, rank, ranks
        self.phases_root, self.steps_root = spec.work / "phases", spec.work / "checkpoints"
        for folder in (self.phases_root, self.steps_root):
            folder.mkdir(parents=True, exist_ok=True)
        self.run_id = digest(spec.identity())
        steps = [phase.steps for phase in spec.phases]
        self.metrics = Metrics(spec.work, emit, steps, silent=rank > 0)

    def run(self) -> None:
        from storm.training.engine import release_memory

        done = checkpoints.newest(self.phases_root, run=self.run_id)
        first, student = (0, self.spec.student) if done is None else (done[1]["phase"] + 1, done[0])
        for number in range(first, len(self.spec.phases)):
            student = self.phase(number, self.spec.phases[number], student)
            release_memory()  # or the next phase loads beside this one's model and optimiser
        if self.rank == 0:
            self.finish(student)
        self.metrics.close()
        _barrier()

    def phase(self, number: int, phase: Phase, start: Path) -> Path:
        """Train one phase from the student in `start`; the folder of the student it leaves."""
        from storm.student import Student
        from storm.student.lora import attach
        from storm.training.engine import Engine, seed_everything

        began, cpu = time.monotonic(), time.process_time()
        student = Student.from_pretrained(
            start, dtype=self.spec.dtype, device=self.spec.runtime.device
        )
        student.train()
        adapter = None
        if self.spec.lora is not None:
            seed_everything(self.spec.seed, number, "lora")
            adapter = attach(student, self.spec.lora)
        if self.spec.runtime.gradient_checkpointing:
            student.gradient_checkpointing()
        objective = phase.build(self.spec, student)
        engine = Engine(
            objective.module,
            phase,
            self.spec,
            accumulate=objective.micro_batches_a_step(self.rank, self.ranks),
        )
        done = self.resume(number, engine)
        self.metrics.event(
            "phase", phase=phase.kind, number=number, of=len(self.spec.phases), resumed_at=done
        )
        for step in range(done, phase.steps):
            seed_everything(self.spec.seed, number, step, self.rank)
            clock = time.monotonic()
            numbers = engine.step(step, objective.micro_batches(step, self.rank, self.ranks))
            numbers["rows_per_second"] = phase.batch / (time.monotonic() - clock)
            self.metrics.step(number, phase.kind, step, phase.steps, numbers)
            if (step + 1) % self.spec.runtime.save_every == 0 and step + 1 < phase.steps:
                self.save(number, step + 1, engine)
        seed_everything(self.spec.seed, number, phase.steps)
        folder = self.phases_root / checkpoints.name_of(number, phase.steps)
        found = objective.diagnose()
        with engine.whole():
            if self.rank == 0:
                shutil.rmtree(folder, ignore_errors=True)
                if adapter is not None:
                    adapter.merge_and_unload()
                student.save_pretrained(folder)
        engine.close()
        if found:
            self.metrics.event("diagnostics", phase=phase.kind, number=number, **found)
        if self.rank == 0:
            curve = [x["loss"] for x in self.metrics.read() if x["phase"] == number]
            facts = {
                "kind": phase.kind,
                "steps": phase.steps,
                "final_loss": sum(curve[-20:]) / len(curve[-20:]),
                "seconds": round(time.monotonic() - began, 1),
                "cpu_seconds": round(time.process_time() - cpu, 1),
                "resumed_at": done,
                "diagnostics": found,
            }
            checkpoints.complete(folder, {"run": self.run_id, "phase": number, "summary": facts})
            checkpoints.tidy(self.steps_root, keep=0)
        _barrier()
        return folder

    def resume(self, number: int, engine: Any) -> int:
        """Load this phase's newest whole checkpoint, if any; how many steps are done."""
        found = checkpoints.newest(self.steps_root, phase=number, **self.topology())
        _barrier()
        if found is not None:
            engine.load(found[0])
        step = found[1]["step"] if found else 0
        if self.rank == 0:
            checkpoints.tidy(self.steps_root, keep=checkpoints.KEEP if found else 0)
        self.metrics.resume(number, step)
        return step

    def save(self, number: int, step: int, engine: Any) -> None:
        folder = self.steps_root / checkpoints.name_of(number, step)
        self.metrics.event("saving", number=number, step=step)
        if self.rank == 0:
            shutil.rmtree(folder, ignore_errors=True)
        _barrier()
        engine.save(folder)
        if self.rank == 0:
            # data position and generators follow from (seed, phase, step, rank)
            facts = {"phase": number, "step": step, "seed": self.spec.seed, **self.topology()}
            checkpoints.complete(folder, facts)
            checkpoints.tidy(self.steps_root, keep=checkpoints.KEEP)
        _barrier()

    def topology(self) -> dict[str, Any]:
        """What a checkpoint must have in common with this run to be continued exactly."""
        runtime = self.spec.runtime
        return {
            "run": self.run_id,
            "ranks": self.ranks,
            "zero_stage": runtime.zero_stage,
            "micro_batch": runtime.micro_batch,
        }

    def finish(self, student: Path) -> None:
        """Write summary.json, then the student as `out`, in one rename."""
        phases = []
        for number, phase in enumerate(self.spec.phases):
            record = read_json(
                self.phases_root / checkpoints.name_of(number, phase.steps) / checkpoints.RECORD
            )
            phases.append(record["summary"])
        summary = {
            "optimizer_steps": sum(phase["steps"] for phase in phases),
            "final_loss": phases[-1]["final_loss"],
            "ranks": self.ranks,
            "phases": phases,
        }
        write_json(self.spec.work / "summary.json", summary)
        checkpoints.publish(student, self.spec.out)


def _barrier() -> None:
    import torch

    torch.distributed.barrier()


def _prepare_process(device: str) -> None:
    """Before torch and DeepSpeed load; and end when the owner or the launcher dies."""
    os.environ.setdefault("DS_ACCELERATOR", device)
    own = str(Path(sys.executable).parent)  # its ninja first: another one rebuilds DeepSpeed's op
    os.environ["PATH"] = os.pathsep.join([own, os.environ.get("PATH", "")])
    watch_owner()
    launcher = os.getppid()

    def watch_launcher() -> None:
        while os.getppid() == launcher:
            time.sleep(1)
        os._exit(75)

    threading.Thread(target=watch_launcher, daemon=True, name="launcher-watch").start()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
