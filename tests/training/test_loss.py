"""The losses against the paper's formula, and their gradients."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch.nn.functional import cross_entropy

from storm.student import Student
from storm.training.loss import align_loss, answer_loss
from storm.training.questions import load_questions

B, K, D = 3, 2, 5


@pytest.fixture
def case() -> tuple[Any, Any]:
    torch.manual_seed(0)
    output = SimpleNamespace(
        answer_loss_per_row=torch.rand(B, requires_grad=True),
        latents=torch.randn(B, K, D, requires_grad=True),
    )
    return output, SimpleNamespace(
        targets=torch.randn(B, K, D), has_targets=torch.ones(B, dtype=torch.bool)
    )


@pytest.mark.parametrize("weight", [0.1, 1.0, 2.5])
def test_the_loss_of_stage_one_is_the_formula(case, weight):
    output, batch = case
    loss, logs = align_loss(output, batch, weight)
    squares = ((output.latents - batch.targets) ** 2).sum() / (B * K * D)
    answer = output.answer_loss_per_row.sum() / B
    torch.testing.assert_close(loss, answer + weight * squares)
    assert logs["answer_loss"] == pytest.approx(answer.item())
    assert logs["align_loss"] == pytest.approx(squares.item()), "logged without its weight"


@pytest.mark.parametrize("weight", [0.1, 2.5])
def test_gradients_are_those_of_the_formula(case, weight):
    output, batch = case
    align_loss(output, batch, weight)[0].backward()
    expected = weight * 2 * (output.latents - batch.targets).detach() / (B * K * D)
    torch.testing.assert_close(output.latents.grad, expected)
    torch.testing.assert_close(output.answer_loss_per_row.grad, torch.full((B,), 1 / B))


def test_a_row_without_a_target_learns_its_answer_alone(case):
    output, batch = case
    batch.has_targets[1] = False
    loss, _ = align_loss(output, batch, 0.5)
    loss.backward()
    squares = ((output.latents - batch.targets) ** 2)[[0, 2]].sum() / (B * K * D)
    torch.testing.assert_close(loss, output.answer_loss_per_row.mean() + 0.5 * squares)
    assert not output.latents.grad[1].any()
    torch.testing.assert_close(output.answer_loss_per_row.grad, torch.full((B,), 1 / B))


def test_without_weight_the_latents_learn_nothing_from_targets(case):
    output, batch = case
    loss, logs = align_loss(output, batch, 0.0)
    loss.backward()
    assert output.latents.grad is None
    assert logs.keys() == answer_loss(output, batch)[1].keys() == {"answer_loss"}


def test_a_students_loss_is_the_cross_entropy_of_its_answers(tmp_path, start, small):
    spec = small.spec(tmp_path, start, small.rows(tmp_path / "rows"))
    student = Student.from_pretrained(start)
    questions = load_questions(spec, small.HIDDEN)[:4]
    batch = student.collate([question.example(0) for question in questions])
    output = student(batch, feeding="teacher")
    loss, logs = align_loss(output, batch, 0.3)

    answers = torch.tensor(
        [i for q in questions for i in student.prompts.answer_ids(q.sample.answer)]
    )
    entropy = cross_entropy(output.answer_logits.float(), answers)  # rows of equal length
    squares = (output.latents - torch.stack([q.target for q in questions])).square().mean()
    torch.testing.assert_close(loss, entropy + 0.3 * squares)
    assert logs["align_loss"] == pytest.approx(squares.item(), rel=1e-5)
