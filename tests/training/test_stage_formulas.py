"""What a phase trains: loss and gradients against the formulas, written out once more.

The expectation shares nothing with the training but the rows on disk, the weights and the token
ids: K + 1 full passes a row without a cache (`reference_rollout`), and the mean of each row's
cross-entropy plus the weighted mean square between latents and targets.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from storm.artifacts.artifact import write_shard
from storm.records import LatentTarget, VideoFeatures, VideoSample
from storm.student import Example, Student, VideoTokens
from storm.testing import make_sample, make_student
from storm.training.objectives import build_objective
from storm.training.spec import AlignPhase, AnswerPhase, QuestionPhase, RowFiles
from tests.student import reference_rollout as reference

K, HIDDEN = 4, 32
ANSWERS = ("B", "under the left cup", "a cup")
COMMON: dict[str, Any] = {"steps": 1, "learning_rate": 1e-2, "batch": len(ANSWERS)}


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Wide weights, so that a latent matters to what follows it."""
    folder = tmp_path_factory.mktemp("formulas") / "start"
    return make_student(folder, k=K, layers=2, initializer_range=0.1)


@pytest.fixture(scope="module")
def rows() -> list[tuple[VideoSample, VideoFeatures, LatentTarget]]:
    """Three questions, one with options, whose answers have different lengths."""
    rng = np.random.default_rng(0)
    made = []
    for i, answer in enumerate(ANSWERS):
        fields: dict[str, Any] = {} if answer == "B" else {"options": ()}
        sample = make_sample(f"q{i}", video_id=f"v{i}", answer=answer, **fields)
        tokens = rng.standard_normal((i + 1, HIDDEN)).astype(np.float32)
        times = tuple(0.25 * j for j in range(2 * (i + 1)))
        features = VideoFeatures(
            id=f"v{i}", tokens=tokens, grid_thw=(i + 1, 2, 2), pts_seconds=times
        )
        latents = rng.standard_normal((K, HIDDEN)).astype(np.float32)
        made.append((sample, features, LatentTarget(id=f"q{i}", latents=latents)))
    return made


@pytest.fixture
def files(tmp_path: Path, rows: Any) -> RowFiles:
    names = ("samples", "features", "targets")
    for name, table in zip(names, zip(*rows, strict=True), strict=True):
        write_shard(tmp_path / f"{name}.arrow", list(table), ["key"] * len(table))
    return RowFiles(**{name: (tmp_path / f"{name}.arrow",) for name in names})


def trained(
    phase: QuestionPhase, student: Student, spec: Any
) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """Loss and gradients of the phase's own module, on its own micro batches."""
    objective = build_objective(phase, spec, student)
    student.eval().zero_grad(set_to_none=True)
    total = torch.zeros(())
    for micro in objective.micro_batches(0, 0, 1):
        loss, _ = objective.module(micro.data)
        (loss * micro.rows / phase.batch).backward()
        total = total + loss.detach() * micro.rows / phase.batch
    return total, gradients(student)


def gradients(student: Student) -> dict[str, torch.Tensor]:
    return {n: p.grad.clone() for n, p in student.named_parameters() if p.grad is not None}


def by_formula(
    student: Student, rows: Any, weight: float, forced: bool, through: int | None
) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    student.eval().zero_grad(set_to_none=True)
    entropies, squares = [], []
    for sample, features, target in rows:
        lines = [sample.question]
        lines += [f"{letter}. {text}" for letter, text in zip("ABCD", sample.options, strict=False)]
        goal = torch.from_numpy(target.latents)
        example = Example(
            videos=(VideoTokens.of(features, HIDDEN),),
            prompt="\n".join(lines),
            answer=sample.answer,
        )
        entropy, latents = reference.rollout(student, example, goal if forced else None, through)
        entropies.append(entropy)
        squares += [(latents[i, j] - goal[i, j]) ** 2 for i in range(K) for j in range(HIDDEN)]
    loss = sum(entropies) / len(rows) + weight * sum(squares) / (len(rows) * K * HIDDEN)
    loss.backward()
    return loss.detach(), gradients(student)


def compare(found: Any, expected: Any) -> None:
    torch.testing.assert_close(found[0], expected[0], rtol=1e-5, atol=1e-6)
    assert found[1].keys() == expected[1].keys()
    whole = torch.nn.utils.get_total_norm(list(expected[1].values()))
    for name, gradient in expected[1].items():
        distance = float((found[1][name] - gradient).norm())
        assert distance < 1e-4 * float(gradient.norm()) + 1e-6 * float(whole), name


CASES = [
    ("teacher", "full", None, True),
    ("rollout", "full", None, False),
    ("rollout", "truncated:3", 3, False),
    ("rollout", "truncated:1", 1, False),
    ("rollout", "detached", 0, False),
    ({"kind": "mixed", "p": 0.0}, "full", None, True),
    ({"kind": "mixed", "p": 1.0}, "truncated:2", 2, False),
    ({"kind": "jacobi", "sweeps": K}, "truncated:2", 2, False),
]


@pytest.mark.parametrize(("feeding", "gradient", "through", "forced"), CASES)
@pytest.mark.parametrize("weight", [0.3, 0.0])
def test_stage_one_is_its_formula(
    tmp_path, small, start, files, rows, feeding, gradient, through, forced, weight
) -> None:
    """The answer's cross-entropy + weight * mean((z - g)^2), through what was fed."""
    phase = AlignPhase(feeding=feeding, gradient=gradient, align_weight=weight, **COMMON)
    student = Student.from_pretrained(start)
    spec = small.spec(tmp_path / "spec", start, files, phases=(phase,), runtime={"micro_batch": 2})
    spec = spec.model_copy(update={"option_orders": 1})
    found = trained(phase, student, spec)
    compare(found, by_formula(student, rows, weight, forced, through))


@pytest.mark.parametrize(("gradient", "through"), [("full", None), ("truncated:2", 2)])
def test_stage_two_is_its_formula(tmp_path, small, start, files, rows, gradient, through) -> None:
    """The answer's cross-entropy alone, through the rollout."""
    phase = AnswerPhase(gradient=gradient, **COMMON)
    student = Student.from_pretrained(start)
    spec = small.spec(tmp_path / "spec", start, files, phases=(phase,))
    spec = spec.model_copy(update={"option_orders": 1})
    found = trained(phase, student, spec)
    compare(found, by_formula(student, rows, 0.0, False, through))


def test_the_formulas_can_tell_these_cases_apart(start, rows) -> None:
    """Each way to feed, cut or weigh gives gradients of its own, far beyond what is allowed."""
    student = Student.from_pretrained(start)
    student.freeze_vision()
    ways = [
        (0.3, True, None),
        (0.3, False, None),
        (0.3, False, 3),
        (0.3, False, 1),
        (0.3, False, 0),
        (1.0, False, None),
        (0.0, False, None),
    ]
    found = [
        torch.cat([g.flatten() for g in by_formula(student, rows, *way)[1].values()])
        for way in ways
    ]
    for i, one in enumerate(found):
        for other in found[:i]:
            assert float((one - other).norm() / one.norm()) > 1e-2
