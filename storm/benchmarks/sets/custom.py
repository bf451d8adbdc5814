"""Your own questions: any question file that the stage `videos` reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from storm.benchmarks.benchmark import (
    Benchmark,
    Loaded,
    MakePrompt,
    Prompt,
    Question,
    Scorer,
    Source,
    Verdict,
    with_video,
)
from storm.records import VideoSample
from storm.student.letters import judge
from storm.videos.questions.formats import Columns, by_columns
from storm.videos.questions.rows import Entry
from storm.videos.questions.sources import QuestionFile


def student_prompt(question: Question, pts_seconds: Sequence[float] | None) -> Prompt:
    """What students are trained on: the question, then lettered options."""
    from storm.student import prompt_of

    return Prompt(prompt_of(question.doc["question"], question.doc["options"]))


def _letter_or_text(question: Question, response: str) -> Verdict:
    options = question.doc["options"]
    chosen, right = judge(response, len(options), question.answer)
    return Verdict(chosen, float(right), bool(chosen if options else response))


class Own(Benchmark):
    """`Source.where` is the question file, `Source.videos` the folder that its paths start from."""

    name: ClassVar[str] = "own"
    prompts: ClassVar[Mapping[str, MakePrompt]] = {"student": student_prompt}
    scorers: ClassVar[Mapping[str, Scorer]] = {
        "letter": Scorer(_letter_or_text, about="the first stand-alone letter, or equal texts"),
    }

    def question(self, id: str, task: str, doc: Mapping[str, Any]) -> Question:
        (raw,) = by_columns(Entry(id, {"id": id, **doc}), Columns())
        return Question(
            id=id,
            task=self.name,
            video_id=raw.video,
            answer=raw.answer,
            groups=(),
            doc={**doc, "question": raw.question, "options": raw.options},
        )

    def load(self, source: Source) -> Loaded:
        """The test questions: those that the file calls so, or calls nothing."""
        read = QuestionFile(questions=source.where, root=source.videos, test_share=1.0)
        samples, refused, root, _ = read.samples()
        questions = tuple(
            with_video(self.question(s.id, "", doc_of(s)), root / s.video_path)
            for s in samples
            if s.split == "test"
        )
        expected = len(questions) + len(refused)
        return Loaded(questions=questions, refused=tuple(refused), expected=expected)


def doc_of(sample: VideoSample) -> dict[str, Any]:
    """The columns of a question file that say the same."""
    return {
        "video": sample.video_id,
        "question": sample.question,
        "options": list(sample.options),
        "answer": sample.answer,
    }


BENCHMARK = Own()
