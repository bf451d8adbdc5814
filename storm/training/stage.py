"""The stages that train: `base`, `stage_one`, `stage_two` and the arm `direct`.

Each is one item, a checkpoint. The child that makes it starts the ranks through `launch.py` and
passes their progress on; a killed training goes on from its newest checkpoint.
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
from typing import Any, ClassVar, Literal

from storm.artifacts.fs import read_json, renamed_into, sha256_tree, write_atomic
from storm.artifacts.stage import Context, OnEvent, Stage
from storm.artifacts.store import Store
from storm.errors import StageFailed
from storm.features.video_features import VideoFeaturesStage
from storm.latent_targets.stage import LatentTargetsStage
from storm.records import Checkpoint
from storm.student.lora import Lora
from storm.training.spec import PhaseConfig, RowFiles, TrainingSpec
from storm.videos.decoding.sampling import FrameSampling
from storm.videos.stage import VideoStage

_ITEM = "checkpoint"


@dataclass(frozen=True, kw_only=True)
class Training(Stage[Checkpoint]):
    row: ClassVar[type] = Checkpoint
    # 2: checkpoints carry their sampling, custom_generate and a greedy generation_config
    version: ClassVar[int] = 2
    single_item: ClassVar[bool] = True

    phases: tuple[PhaseConfig, ...]
    seed: int
    dtype: Literal["float32", "bfloat16"]

    @abstractmethod
    def start(self, context: Context, work: Path) -> Path:
        """Folder of the student to start from."""

    @abstractmethod
    def data(self, context: Context, work: Path) -> dict[str, Any]:
        """The fields of TrainingSpec that name the data and how it is used."""

    @abstractmethod
    def shown(self) -> FrameSampling:
        """How the videos were sampled that it saw; stands in the checkpoint."""

    def items(self, store: Store) -> Iterable[tuple[str, tuple[str, ...]]]:
        digests = []
        for stage in self.inputs.values():
            digests += [f"{k}={v}" for k, v in sorted(stage.artifact(store).index().items())]
        return [(_ITEM, tuple(digests))]

    def make(self, ids: Sequence[str], context: Context) -> Iterator[Checkpoint]:
        from storm.student.checkpoint import record_sampling

        context.begin(ids)
        work, out = context.artifact.path / "work", context.artifact.path / "checkpoint"
        work.mkdir(parents=True, exist_ok=True)
        student = self.start(context, work)
        if self.phases:
            spec = TrainingSpec(
                student=student,
                output_dir=out,
                work_dir=work,
                seed=self.seed,
                phases=self.phases,
                dtype=self.dtype,
                runtime=context.runtime,
                **self.data(context, work),
            )
            path = work / "spec.json"
            write_atomic(path, spec.model_dump_json(indent=1).encode())
            run_ranks(path, spec, context.emit)
            summary = read_json(work / "summary.json")
        else:
            shutil.copytree(student, out, dirs_exist_ok=True)
            summary = {"optimizer_steps": 0, "final_loss": float("nan"), "phases": []}
        record_sampling(out, self.shown())
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


def _facts(phase: dict[str, Any]) -> dict[str, Any]:
    """What a phase came to, without times: the row is the same whenever the training is."""
    return {k: phase[k] for k in ("kind", "steps", "final_loss", "diagnostics")}


def _losses(work: Path, points: int = 200) -> list[list[float]]:
    """The loss curve, thinned: [step over all phases, loss]."""
    path = work / "metrics.jsonl"
    lines = path.read_text().splitlines() if path.exists() else []
    losses = [json.loads(line)["loss"] for line in lines]
    stride = max(1, len(losses) // points)
    return [[i, losses[i]] for i in range(0, len(losses), stride)]


def run_ranks(path: Path, spec: TrainingSpec, emit: OnEvent) -> None:
    """Train what is written in `path`; its progress goes to `emit`. Raises StageFailed."""
    command = [sys.executable, "-m", "storm.training.launch", str(spec.runtime.ranks), str(path)]
    error = None
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as launcher:
        assert launcher.stdout
        for line in launcher.stdout:
            if not line.startswith("{"):
                continue
            event = json.loads(line)
            # the first one: a rank knows more than its launcher
            error = error or event.get("error")
            if event.get("event") == "step":
                emit(_progress(event, spec.phases))
            else:
                emit({"alive": event.get("event")})  # or a long save looks like a stall
    if error or launcher.returncode:
        raise StageFailed(error or f"the launcher ended with exit code {launcher.returncode}")


def _progress(event: dict[str, Any], phases: Sequence[PhaseConfig]) -> dict[str, Any]:
    """Steps over all phases, so that the time left is that of the whole training."""
    before = sum(phase.steps for phase in phases[: event["number"]])
    phase, numbers = phases[event["number"]], event["numbers"]
    words = [phase.title, f"loss {numbers['loss']:.3f}"]
    if "align_loss" in numbers:
        words.append(f"align {numbers['align_loss']:.3f}")
    words.append(f"{numbers['rows_per_second']:.1f} rows/s")
    of = sum(phase.steps for phase in phases)
    return {"progress": before + event["step"], "of": of, "text": ", ".join(words)}


@dataclass(frozen=True, kw_only=True)
class Base(Training):
    """The student before STORM: imported or built, then taught by its phases, if any."""

    name: ClassVar[str] = "base"

    student: Any  # a Config of storm.student: where the model comes from
    sampling: FrameSampling  # of what it is to see: the checkpoint says so

    def shown(self) -> FrameSampling:
        return self.sampling

    def start(self, context: Context, work: Path) -> Path:
        folder = work / "student"
        if not folder.exists():
            with renamed_into(folder) as temporary:
                self.student.build(temporary)
        return folder

    def data(self, context: Context, work: Path) -> dict[str, Any]:
        return {}


@dataclass(frozen=True, kw_only=True)
class _OnQuestions(Training):
    """Trains on the questions of the split `train`, with cached features."""

    init_from: Training
    videos: VideoStage
    features: VideoFeaturesStage
    option_orders: int
    lora: Lora | None

    def shown(self) -> FrameSampling:
        return self.features.sampling

    def start(self, context: Context, work: Path) -> Path:
        (checkpoint,) = self.init_from.rows(context.store)
        return self.init_from.artifact(context.store).path / checkpoint.blob

    def files(self, store: Store) -> dict[str, tuple[Path, ...]]:
        samples = self.videos.artifact(store).shard_paths()
        features = self.features.artifact(store).shard_paths()
        return {"samples": tuple(samples), "features": tuple(features)}

    def data(self, context: Context, work: Path) -> dict[str, Any]:
        return {
            "rows": RowFiles(**self.files(context.store)),
            "option_orders": self.option_orders,
            "lora": self.lora,
        }


@dataclass(frozen=True, kw_only=True)
class StageOne(_OnQuestions):
    """Latent states are aligned with the targets."""

    name: ClassVar[str] = "stage_one"

    targets: LatentTargetsStage
    targets_from: Literal["own", "shuffled"] = "own"  # shuffled: targets of another video

    def files(self, store: Store) -> dict[str, tuple[Path, ...]]:
        targets = tuple(self.targets.artifact(store).shard_paths())
        return {**super().files(store), "targets": targets}

    def data(self, context: Context, work: Path) -> dict[str, Any]:
        return {**super().data(context, work), "targets_from": self.targets_from}


@dataclass(frozen=True, kw_only=True)
class StageTwo(_OnQuestions):
    """Answers alone, through the student's own rollout."""

    name: ClassVar[str] = "stage_two"


@dataclass(frozen=True, kw_only=True)
class Direct(_OnQuestions):
    """The baseline: the same base fine-tuned on answers, without latents."""

    name: ClassVar[str] = "direct"

    def data(self, context: Context, work: Path) -> dict[str, Any]:
        return {**super().data(context, work), "use_latents": False}
