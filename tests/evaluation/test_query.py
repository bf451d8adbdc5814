"""A benchmark's questions in the form in which students are asked them."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from tests.evaluation.builders import stage_of


@pytest.mark.parametrize("kind", ["videomme", "mmvu"])
def test_children_get_the_questions_that_were_read(checkpoint: Path, data: Path, kind: str) -> None:
    """Rules and prompts may be closures, which can't be pickled."""
    query = stage_of(checkpoint, data, kind="videomme").query.model_copy(update={"kind": kind})
    assert query.benchmark.name == kind
    if kind == "videomme":
        assert query.questions()
    child = pickle.loads(pickle.dumps(query))
    assert child.identity() == query.identity()
    assert child.__dict__.get("questions") == query.__dict__.get("questions")
