"""A tiny student and a small data set, made once per module."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.benchmarks import letter_student
from tests.evaluation import builders


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return letter_student.build(tmp_path_factory.mktemp("letter_student"))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return builders.build_data(tmp_path_factory.mktemp("videomme"))
