"""Every family must pass the same tests: `student` runs through all of them."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch

from storm.student import Example, Student, prompt_of

sys.path.insert(0, str(Path(__file__).parent))  # for the helpers beside this file
from student_helpers import FAMILIES, QUESTIONS, K, fresh, shown


@pytest.fixture(scope="session", params=list(FAMILIES))
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp(request.param)
    FAMILIES[request.param].build(path)
    return path


@pytest.fixture(scope="session")
def loaded(folder: Path) -> Student:
    return Student.from_pretrained(folder)


@pytest.fixture
def student(loaded: Student) -> Student:
    return fresh(loaded)


@pytest.fixture
def examples(student: Student) -> list[Example]:
    """Prompts of several lengths, with one, two and no videos, answers of several lengths."""
    generator = torch.Generator().manual_seed(7)

    def targets() -> torch.Tensor:
        return torch.randn(K, student.hidden_size, generator=generator)

    one, wide, short = shown(student, 1), shown(student, 2, width=48), shown(student, 3, frames=3)
    return [
        Example((one,), prompt_of(*QUESTIONS[0]), "B", targets()),
        Example((wide, short), prompt_of(*QUESTIONS[1]), "left of it", targets()),
        Example((), prompt_of(*QUESTIONS[2]), "a", targets()),
    ]
