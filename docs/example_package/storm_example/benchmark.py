"""A benchmark: `counting.csv` with lines `video,question,number`, scored by the number."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from storm.benchmarks.benchmark import Benchmark
from storm.benchmarks.types import (
    BenchmarkQuestion,
    DatasetLocation,
    LoadedQuestions,
    Prompt,
    RuleResult,
    Scorer,
)
from storm.records import Rejected


class CountingQuestions:
    """Questions whose answer is a number."""

    def question(self, id: str, task: str, doc: Mapping[str, Any]) -> BenchmarkQuestion:
        """Return a question from its columns."""
        answer = doc["number"]
        return BenchmarkQuestion(id=id, task=task, video_id=doc["video"], answer=answer, doc=doc)

    def load(self, location: DatasetLocation) -> LoadedQuestions:
        """Return every question whose video exists, and name the others."""
        questions, rejected, root = [], [], location.video_root("counting")
        with (location.path / "counting.csv").open(newline="") as file:
            for id, doc in enumerate(csv.DictReader(file)):
                video = root / doc["video"]
                if video.is_file():
                    questions.append(replace(self.question(str(id), "counting", doc), video=video))
                else:
                    rejected.append(Rejected(id=str(id), reason="missing_video", detail=str(video)))
        return LoadedQuestions(questions=tuple(questions), rejected=tuple(rejected))


def make_prompt(question: BenchmarkQuestion, pts_seconds: Sequence[float] | None) -> Prompt:
    """Return the text that the model is asked after the video."""
    return Prompt(f"{question.doc['question']} Answer with a number.")


def same_number(question: BenchmarkQuestion, response: str) -> RuleResult:
    """Compare the first number of a response with the answer."""
    number = "".join(re.findall(r"\d+", response)[:1])
    return RuleResult(number, float(number == question.answer), matched=bool(number))


BENCHMARK = Benchmark(
    name="counting",
    dataset=CountingQuestions(),
    prompts={"number": make_prompt},
    scorers={"number": Scorer(same_number, about="the first number")},
)
