"""Your own questions: any question file that the stage `videos` reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from storm.benchmarks.benchmark import Benchmark
from storm.benchmarks.types import (
    BenchmarkQuestion,
    DatasetLocation,
    LoadedQuestions,
    MakePrompt,
    Prompt,
    RuleResult,
    Scorer,
)
from storm.config import LETTERS
from storm.records import VideoSample
from storm.videos.questions.formats import Columns, by_columns
from storm.videos.questions.rows import Entry
from storm.videos.questions.sources import QuestionFile


def student_prompt(question: BenchmarkQuestion, pts_seconds: Sequence[float] | None) -> Prompt:
    """Return the prompt that students are trained on: the question, then lettered options."""
    from storm.student import prompt_of

    return Prompt(prompt_of(question.doc["question"], question.doc["options"]))


def letter_or_text(question: BenchmarkQuestion, response: str) -> RuleResult:
    """Accept the right letter or text of the options, else the same text."""
    options = question.doc["options"]
    from storm.student.letters import judge

    chosen, right = judge(response, options, question.answer)
    return RuleResult(chosen, float(right), bool(chosen if options else response))


STUDENT_PROMPTS: Mapping[str, MakePrompt] = {"student": student_prompt}
LETTER_SCORERS: Mapping[str, Scorer] = {
    "letter": Scorer(letter_or_text, version=2, about="the letter that is chosen, or equal texts"),
}


@dataclass(frozen=True)
class CustomQuestions:
    """A question file at `where`, whose paths are relative to the folder `videos`."""

    task: str = "own"

    def question(self, id: str, task: str, doc: Mapping[str, Any]) -> BenchmarkQuestion:
        """Return a question from a question file's default columns."""
        (raw,) = by_columns(Entry(id, {"id": id, **doc}), Columns())
        return BenchmarkQuestion(
            id=id,
            task=self.task,
            video_id=raw.video,
            cluster=raw.cluster,
            answer=raw.answer,
            doc={
                **doc,
                "question": raw.question,
                "options": raw.options,
                "answer": full_answer(raw.options, raw.answer),
            },
        )

    def load(self, location: DatasetLocation) -> LoadedQuestions:
        """Return the questions that the file marks as test questions, or doesn't mark."""
        file = QuestionFile(questions=location.where, root=location.videos, test_share=1.0)
        samples, rejected, root, _ = file.samples()
        questions = tuple(
            replace(self.question(s.id, "", columns_of(s)), video=root / s.video_path)
            for s in samples
            if s.split == "test"
        )
        return LoadedQuestions(questions=questions, rejected=tuple(rejected))


def full_answer(options: Sequence[str], answer: str) -> str:
    """Return the answer as it can be read again, whatever the options: letter and text."""
    return f"{answer}. {options[LETTERS.index(answer)]}" if options else answer


def columns_of(sample: VideoSample) -> dict[str, Any]:
    """Return a sample as columns of a question file."""
    return {
        "video": sample.video_id,
        "question": sample.question,
        "options": list(sample.options),
        "answer": full_answer(sample.options, sample.answer),
        "cluster": sample.cluster,
    }


BENCHMARK = Benchmark(
    name="own", dataset=CustomQuestions(), prompts=STUDENT_PROMPTS, scorers=LETTER_SCORERS
)
