"""A benchmark's questions in the form in which students are asked them."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pytest

from storm.benchmarks.benchmark import Benchmark
from storm.benchmarks.types import BenchmarkQuestion, DatasetLocation, LoadedQuestions
from storm.errors import ConfigError, DataError
from storm.evaluation import query as module
from storm.evaluation.query import BenchmarkQuery
from storm.videos.decoding.sampling import FrameSampling
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


class OwnQuestions:
    """Has one question, whose file must be there."""

    def question(self, id: str, task: str, doc: Any) -> BenchmarkQuestion:
        return BenchmarkQuestion(id=id, task=task, video_id=id, answer="A", doc=doc)

    def load(self, location: DatasetLocation) -> LoadedQuestions:
        location.path.read_bytes()
        return LoadedQuestions(questions=(self.question("q", "own", {}),), rejected=())


def test_what_a_benchmark_raises_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prompts = {"default": lambda question, pts_seconds: question.doc["text"]}
    mine = Benchmark(name="mine", dataset=OwnQuestions(), prompts=prompts, scorers={})
    monkeypatch.setattr(module, "get_benchmark", lambda kind: mine)
    file = tmp_path / "questions"
    query = BenchmarkQuery(
        kind="mine:MINE",
        location=DatasetLocation(where=str(file)),
        sampling=FrameSampling(frames=2, size_px=32),
        prompt="default",
    )
    with pytest.raises(DataError, match=r"questions of 'mine:MINE' .*found FileNotFoundError"):
        query.load()
    file.touch()
    with pytest.raises(ConfigError, match=r"'default' of 'mine:MINE', found KeyError: 'text'"):
        query.digest()
