"""A question that the student can't be asked is refused before its teacher is."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from teacher_requests import teacher_request

from storm.artifacts.store import Store
from storm.errors import UnfitQuestion
from storm.records import Rejected, ThoughtPrompt
from storm.runtime import Runtime
from storm.student import Student
from storm.student.text_limits import TextLimits
from storm.testing import make_sample, make_student
from storm.thought_prompts.stage import ThoughtPromptsStage


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A student of 600 tokens, with a special token that no family has."""
    folder = make_student(tmp_path_factory.mktemp("student") / "base", max_tokens=600)
    student = Student.from_pretrained(folder)
    student.tokenizer.add_special_tokens({"additional_special_tokens": ["[REF]"]})
    student.save_pretrained(folder)
    return folder


@pytest.mark.parametrize(
    ("question", "reason"),
    [
        ("Where?", ""),
        ("Where is [REF]?", "special_token"),
        ("Where is <|image_pad|>?", "special_token"),
        ("Where? " * 60, ""),
        ("Where? " * 1000, "too_long"),
    ],
)
def test_limits_are_those_of_the_tokenizer(folder: Path, question: str, reason: str) -> None:
    limits = TextLimits(folder)
    sample = make_sample(question=question)
    if not reason:
        return limits.check(sample)
    with pytest.raises(UnfitQuestion) as error:
        limits.check(sample)
    assert error.value.reason == reason
    return None


def test_the_teacher_is_not_asked(folder: Path, tmp_path: Path) -> None:
    asked: list[str] = []

    def write(requests: Iterator[Any]) -> Iterator[ThoughtPrompt]:
        for request in requests:
            asked.append(request.sample.id)
            yield ThoughtPrompt(
                id=request.sample.id,
                video_id="v",
                prompt="x",
                steps=(),
                teacher="t",
                saw_answer=False,
            )

    samples = [make_sample(f"q{n}", video_id="v", question=f"Where? {n}") for n in range(4)]
    samples[1] = dataclasses.replace(samples[1], question="Where is [REF]?")
    keyframes = dataclasses.replace(teacher_request("q0").keyframes, id="v")

    def rows_of(*rows: Any) -> Any:
        return SimpleNamespace(rows=lambda store, ids: [r for r in rows if r.id in ids])

    teacher: Any = SimpleNamespace(build=lambda setup: SimpleNamespace(write=write))
    base: Any = SimpleNamespace(
        rows=lambda store: [SimpleNamespace(blob="base")],
        artifact=lambda store: SimpleNamespace(path=folder.parent),
    )
    stage = ThoughtPromptsStage(
        videos=rows_of(*samples), keyframes=rows_of(keyframes), teacher=teacher, base=base
    )
    context: Any = SimpleNamespace(
        store=Store(tmp_path),
        artifact=SimpleNamespace(path=tmp_path),
        runtime=Runtime(),
        begin=lambda ids: None,
        one_at_a_time=False,
    )
    outcomes: Sequence[Any] = list(stage.make([s.id for s in samples], context))
    assert asked == ["q0", "q2", "q3"]
    assert [o.id for o in outcomes if isinstance(o, Rejected)] == ["q1"]
    assert len(outcomes) == 4
