"""A student and training rows small enough for tests of the training itself."""

from __future__ import annotations

import dataclasses
import os
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from storm.artifacts.artifact import write_shard
from storm.records import LatentTarget, VideoFeatures
from storm.runtime import Runtime
from storm.testing import make_sample, make_student
from storm.training.spec import AlignPhase, AnswerPhase, RowFiles, TrainingSpec

K, HIDDEN = 2, 32


def rows(
    folder: Path, n: int = 24, *, hidden: int = HIDDEN, with_targets: bool = True, val: int = 0
) -> RowFiles:
    """Random features of 3 temporal patches; question i has the answer i % 4.

    The `val` validation questions repeat the first training questions, so that they can be learned.
    """
    rng = np.random.default_rng(0)
    draw = lambda *shape: rng.standard_normal(shape).astype(np.float32)  # noqa: E731
    samples = [
        make_sample(
            f"q{i}",
            video_id=f"v{i}",
            video_path=f"v{i}.mp4",
            split="test" if i >= n else "train",
            answer="ABCD"[i % 4],
        )
        for i in range(n + 2)
    ]
    samples += [
        dataclasses.replace(s, id=f"val-{s.id}", video_id=f"val-{s.video_id}", split="val")
        for s in samples[:val]
    ]
    times = tuple(0.25 * i for i in range(6))
    features = [
        VideoFeatures(id=s.video_id, tokens=draw(3, hidden), grid_thw=(3, 2, 2), pts_seconds=times)
        for s in samples
    ]
    for i, repeated in enumerate(features[n + 2 :]):
        features[n + 2 + i] = dataclasses.replace(repeated, tokens=features[i].tokens)
    targets = [LatentTarget(id=s.id, latents=draw(K, hidden)) for s in samples[: n + 2]]
    folder.mkdir(exist_ok=True)
    for name, table in (("samples", samples), ("features", features), ("targets", targets)):
        write_shard(folder / f"{name}.arrow", table, ["key"] * len(table))
    return RowFiles(
        samples=(folder / "samples.arrow",),
        features=(folder / "features.arrow",),
        targets=(folder / "targets.arrow",) if with_targets else (),
    )


def spec(folder: Path, start: Path, files: RowFiles, steps: int = 6, **fields) -> TrainingSpec:
    """Stage I in two phases, then Stage II."""
    folder.mkdir(exist_ok=True)
    common = {"learning_rate": 1e-2, "batch": 8, "warmup_steps": 2}
    runtime = Runtime(save_every=2, **fields.pop("runtime", {}))
    return TrainingSpec(
        student=start,
        output_dir=folder / "out",
        work_dir=folder,
        seed=3,
        phases=fields.pop(
            "phases",
            (
                AlignPhase(steps=steps, **common),
                AlignPhase(steps=steps, feeding={"kind": "mixed", "p": 0.5}, **common),  # pyright: ignore
                AnswerPhase(steps=2, **common),
            ),
        ),
        rows=files,
        option_orders=4,
        runtime=runtime,
        **fields,
    )


def program(name: str, ranks: int, *arguments: object) -> list[str]:
    """How a file beside this one is started, through torch's launcher if there are two ranks."""
    launcher = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={ranks}"]
    file = str(Path(__file__).parent / name)
    return [sys.executable, *(launcher if ranks > 1 else []), file, *map(str, arguments)]


@pytest.fixture(scope="session")
def small() -> SimpleNamespace:
    return SimpleNamespace(
        student=make_student, rows=rows, spec=spec, program=program, K=K, HIDDEN=HIDDEN
    )


@pytest.fixture(scope="session")
def start(tmp_path_factory) -> Path:
    return make_student(tmp_path_factory.mktemp("student") / "start")


@pytest.fixture(scope="session")
def environment() -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
