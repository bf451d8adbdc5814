"""The stages that train: base, stage_one, stage_two, fine_tuning and chain_of_thought.

Each makes one item, a checkpoint. The child process that makes it starts the ranks through
`launch.py` and forwards their progress; a killed training resumes from its newest checkpoint.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from abc import abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from storm.artifacts.artifact import read_rows
from storm.artifacts.fs import read_json, renamed_into, sha256_tree, write_atomic
from storm.artifacts.stage import Context, OnEvent, Stage
from storm.artifacts.store import Store
from storm.config import Dtype
from storm.errors import StageFailed
from storm.features.video_features import VideoFeaturesStage
from storm.latent_targets.stage import LatentTargetsStage
from storm.process.warm import release_warm
from storm.records import Checkpoint
from storm.student.importing import PretrainedConfig
from storm.student.latent_head import LatentConfig
from storm.student.lora import Lora
from storm.student.tiny.tiny import TinyConfig
from storm.thought_prompts.stage import ThoughtPromptsStage
from storm.training.spec import PhaseConfig, RowFiles, TargetsFrom, TrainingSpec
from storm.videos.decoding.sampling import FrameSampling
from storm.videos.stage import VideoStage

_ITEM = "checkpoint"


@dataclass(frozen=True, kw_only=True)
class TrainingStage(Stage[Checkpoint]):
    """A stage whose item is a trained student."""

    row: ClassVar[type] = Checkpoint
    # 4: the option orders of one question don't repeat
    version: ClassVar[int] = 4
    single_item: ClassVar[bool] = True

    phases: tuple[PhaseConfig, ...]
    seed: int
    dtype: Dtype

    @abstractmethod
    def initial_student(self, context: Context, work_dir: Path) -> Path:
        """Return the folder of the student to start from."""

    @abstractmethod
    def spec_fields(self, context: Context, work_dir: Path) -> dict[str, Any]:
        """Return the fields of TrainingSpec that name the data and how it is used."""

    @abstractmethod
    def frame_sampling(self) -> FrameSampling:
        """Return how the training's videos are sampled, for the checkpoint to record."""

    def items(self, store: Store) -> Iterable[tuple[str, tuple[str, ...]]]:
        """Return the one item; it depends on every row of every input."""
        digests = []
        for stage in self.inputs.values():
            digests += [f"{k}={v}" for k, v in sorted(stage.artifact(store).index().items())]
        return [(_ITEM, tuple(digests))]

    def make(self, ids: Sequence[str], context: Context) -> Iterator[Checkpoint]:
        """Train the student, or only copy it if there are no phases."""
        from storm.student.checkpoint import record_sampling

        context.begin(ids)
        release_warm()  # the ranks need the memory
        work, out = context.artifact.path / "work", context.artifact.path / "checkpoint"
        work.mkdir(parents=True, exist_ok=True)
        student = self.initial_student(context, work)
        if self.phases:
            spec = TrainingSpec(
                student=student,
                output_dir=out,
                work_dir=work,
                seed=self.seed,
                phases=self.phases,
                dtype=self.dtype,
                runtime=context.runtime,
                **self.spec_fields(context, work),
            )
            path = work / "spec.json"
            write_atomic(path, spec.model_dump_json(indent=1).encode())
            run_ranks(path, spec, context.emit)
            summary = read_json(work / "summary.json")
        else:
            shutil.copytree(student, out, dirs_exist_ok=True)
            summary = {"optimizer_steps": 0, "final_loss": float("nan"), "phases": []}
        record_sampling(out, self.frame_sampling())
        for leftover in ("phases", "checkpoints", "clips", "student"):
            shutil.rmtree(work / leftover, ignore_errors=True)
        yield Checkpoint(
            id=_ITEM,
            blob=out.name,
            sha256=sha256_tree(out),
            optimizer_steps=summary["optimizer_steps"],
            final_loss=summary["final_loss"],
            metrics=json.dumps(
                {"phases": [_facts(p) for p in summary["phases"]], "losses": _losses(work)}
            ),
        )

    def extra_manifest(self, store: Store) -> dict[str, Any]:
        """Return the steps that each phase took, at most could take, and its accuracies."""
        shards = sorted(self.artifact(store).path.glob("*.arrow"))
        return {"phases": [p for row in read_rows(shards, Checkpoint) for p in phases_of(row)]}


def phases_of(checkpoint: Checkpoint) -> list[dict[str, Any]]:
    """Return what each phase of a training reports: its steps, final loss and diagnostics."""
    return json.loads(checkpoint.metrics)["phases"]


def _facts(phase: dict[str, Any]) -> dict[str, Any]:
    """Return a phase's results without times, so that equal trainings have equal rows."""
    return {k: phase[k] for k in ("kind", "steps", "most_steps", "final_loss", "diagnostics")}


def _losses(work: Path, points: int = 200) -> list[list[float]]:
    """Return the thinned loss curve: [step over all phases, loss]."""
    path = work / "metrics.jsonl"
    lines = path.read_text().splitlines() if path.exists() else []
    losses = [json.loads(line)["loss"] for line in lines]
    stride = max(1, len(losses) // points)
    return [[i, losses[i]] for i in range(0, len(losses), stride)]


def run_ranks(path: Path, spec: TrainingSpec, emit: OnEvent) -> None:
    """Train a spec that is written to `path`, and forward progress to `emit`.

    Raises:
        StageFailed: If a rank fails.
    """
    command = [sys.executable, "-m", "storm.training.launch", str(spec.runtime.ranks), str(path)]
    error = None
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as launcher:
        assert launcher.stdout
        for line in launcher.stdout:
            if not line.startswith("{"):
                continue
            event = json.loads(line)
            # the first error: a rank knows more than its launcher
            error = error or event.get("error")
            if event.get("event") == "step":
                emit(_progress(event, spec.phases))
            else:
                emit({"alive": event.get("event")})  # or a long save looks like a stall
    if error or launcher.returncode:
        raise StageFailed(error or f"the launcher ended with exit code {launcher.returncode}")


def _progress(event: dict[str, Any], phases: Sequence[PhaseConfig]) -> dict[str, Any]:
    """Return progress over all phases, so that the time left is that of the whole training."""
    before = sum(phase.steps for phase in phases[: event["number"]])
    phase, numbers = phases[event["number"]], event["numbers"]
    words = [phase.title, f"loss {numbers['loss']:.3f}"]
    if "align_loss" in numbers:
        words.append(f"align {numbers['align_loss']:.3f}")
    words.append(f"{numbers['rows_per_second']:.1f} rows/s")
    of = sum(phase.steps for phase in phases)
    return {"progress": before + event["step"], "of": of, "text": ", ".join(words)}


@dataclass(frozen=True, kw_only=True)
class Base(TrainingStage):
    """The student before STORM: imported or built, then trained in its phases, if any.

    Attributes:
        student: Where the model comes from.
        sampling: How the videos of later stages are sampled.
    """

    name: ClassVar[str] = "base"

    student: TinyConfig | PretrainedConfig
    sampling: FrameSampling

    def frame_sampling(self) -> FrameSampling:
        """Return how the training's videos are sampled."""
        return self.sampling

    def initial_student(self, context: Context, work_dir: Path) -> Path:
        """Return the folder of the student to start from."""
        folder = work_dir / "student"
        if not folder.exists():
            with renamed_into(folder) as temporary:
                self.student.build(temporary)
        return folder

    def spec_fields(self, context: Context, work_dir: Path) -> dict[str, Any]:
        """Return the fields of TrainingSpec that name the data and how it is used."""
        return {}


@dataclass(frozen=True, kw_only=True)
class QuestionTraining(TrainingStage):
    """A training on the questions of the split `train`, with cached features.

    Attributes:
        init_from: The stage whose student it starts from.
        option_orders: How many orders of its options a question is trained with.
        lora: Adapters; None trains every weight of the language model.
    """

    init_from: TrainingStage
    videos: VideoStage
    features: VideoFeaturesStage
    option_orders: int
    lora: Lora | None

    def frame_sampling(self) -> FrameSampling:
        """Return how the training's videos are sampled."""
        return self.features.sampling

    def initial_student(self, context: Context, work_dir: Path) -> Path:
        """Return the folder of the student to start from."""
        (checkpoint,) = self.init_from.rows(context.store)
        return self.init_from.artifact(context.store).path / checkpoint.blob

    def files(self, store: Store) -> dict[str, tuple[Path, ...]]:
        """Return the shards to train on: the fields of RowFiles."""
        samples = self.videos.artifact(store).shard_paths()
        features = self.features.artifact(store).shard_paths()
        return {"samples": tuple(samples), "features": tuple(features)}

    def spec_fields(self, context: Context, work_dir: Path) -> dict[str, Any]:
        """Return the fields of TrainingSpec that name the data and how it is used."""
        return {
            "rows": RowFiles(**self.files(context.store)),
            "option_orders": self.option_orders,
            "lora": self.lora,
        }


@dataclass(frozen=True, kw_only=True)
class LatentTraining(QuestionTraining):
    """A training of a student that answers after its latents.

    Attributes:
        latent: The latent span to train with; None keeps the student's own.
    """

    latent: LatentConfig | None = None

    def spec_fields(self, context: Context, work_dir: Path) -> dict[str, Any]:
        """Return the fields of TrainingSpec that name the data and how it is used."""
        return {**super().spec_fields(context, work_dir), "latent": self.latent}


@dataclass(frozen=True, kw_only=True)
class StageOne(LatentTraining):
    """Aligns latents with their targets; those of a control if `targets_from` says so."""

    name: ClassVar[str] = "stage_one"

    targets: LatentTargetsStage
    targets_from: TargetsFrom = "own"

    def files(self, store: Store) -> dict[str, tuple[Path, ...]]:
        """Return the shards to train on: the fields of RowFiles."""
        targets = tuple(self.targets.artifact(store).shard_paths())
        return {**super().files(store), "targets": targets}

    def spec_fields(self, context: Context, work_dir: Path) -> dict[str, Any]:
        """Return the fields of TrainingSpec that name the data and how it is used."""
        return {**super().spec_fields(context, work_dir), "targets_from": self.targets_from}


@dataclass(frozen=True, kw_only=True)
class StageTwo(LatentTraining):
    """Trains on answers only, through the student's own latents."""

    name: ClassVar[str] = "stage_two"


@dataclass(frozen=True, kw_only=True)
class FineTuning(QuestionTraining):
    """The baseline: the same base trained on answers at once, without latents."""

    name: ClassVar[str] = "fine_tuning"

    def spec_fields(self, context: Context, work_dir: Path) -> dict[str, Any]:
        """Return the fields of TrainingSpec that name the data and how it is used."""
        return {**super().spec_fields(context, work_dir), "mode": "direct"}


@dataclass(frozen=True, kw_only=True)
class ChainOfThought(QuestionTraining):
    """A rival: the same base trained to write the teacher's steps, then the answer."""

    name: ClassVar[str] = "chain_of_thought"

    prompts: ThoughtPromptsStage

    def files(self, store: Store) -> dict[str, tuple[Path, ...]]:
        """Return the shards to train on: the fields of RowFiles."""
        prompts = tuple(self.prompts.artifact(store).shard_paths())
        return {**super().files(store), "prompts": prompts}

    def spec_fields(self, context: Context, work_dir: Path) -> dict[str, Any]:
        """Return the fields of TrainingSpec that name the data and how it is used."""
        return {**super().spec_fields(context, work_dir), "mode": "cot"}
