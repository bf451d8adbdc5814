"""What an answer says, whose latents a question is given, and what those would say."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from storm.artifacts.artifact import Artifact, Plan, PlannedItem
from storm.artifacts.stage import Context
from storm.artifacts.store import Store
from storm.evaluation import predictions
from storm.evaluation.predictions import PredictionsStage, _donors, _prediction
from storm.records import Prediction, VideoFeatures, VideoSample
from storm.row_values import digest_of
from storm.runtime import Runtime
from storm.student import Student
from storm.student.latent_head import LatentConfig
from storm.testing import make_sample, make_student


@pytest.mark.parametrize("n", [2, 3, 4, 5, 8, 100, 1024])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_everyone_has_another_ones_latents(n: int, seed: int) -> None:
    donors = _donors([""] * n, seed)
    assert sorted(donors) == list(range(n)), "each gives once"
    assert all(donor != i for i, donor in enumerate(donors))
    assert donors == _donors([""] * n, seed)


def test_seeds_draw_other_donors() -> None:
    assert _donors([""] * 50, 0) != _donors([""] * 50, 1)


def test_donors_are_of_the_same_group() -> None:
    groups = ["cups", "dial", "cups", "maze", "dial", "cups"]
    donors = _donors(groups, 0)
    assert sorted(donors) == list(range(6))
    assert [groups[donor] for donor in donors] == groups
    assert [i for i, donor in enumerate(donors) if donor == i] == [3], "alone in its group"


def sample(options: tuple[str, ...], answer: str, name: str = "q") -> VideoSample:
    return make_sample(
        name, video_id=f"video of {name}", split="test", options=options, answer=answer
    )


def test_an_open_question_is_scored_by_its_text() -> None:
    mine = sample((), "The Ball")
    assert _prediction(mine, "none", "…", steps=1, said=" the ball\n").correct
    assert not _prediction(mine, "none", "…", steps=1, said="a ball").correct


def test_no_letter_is_never_correct() -> None:
    made = _prediction(sample(("x", "y"), "A"), "none", "I", steps=1, said="I can't say")
    assert (made.predicted, made.correct) == ("", False)


class Recited(PredictionsStage):
    """A stage whose student says the latents that it was given, or else its question's own."""

    def _questions(self, context: Context, student: Any) -> tuple[list[Any], list[Any]]:
        return [(sample(("A", "B"), "A", str(n)), None) for n in range(7)], []

    def _answer(self, student: Any, questions: Sequence[Any], intervention: Any) -> Any:
        own = torch.stack([torch.full((2, 2), float(q.id)) for q, *_ in questions])
        nothing: Any = None
        given = own if intervention is None else intervention.apply(own, nothing)
        assert given.shape == own.shape
        return [SimpleNamespace(text=f"{g.mean()}", latents=g, token_ids=(1,)) for g in given]


def test_a_question_is_given_what_its_row_says_whatever_is_pending(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        predictions, "load_student", lambda *_: SimpleNamespace(k=2, latent=LatentConfig(k=2))
    )
    nothing: Any = None
    videos: Any = SimpleNamespace(donors_of=lambda _: "", in_own_words=lambda _, text: text)
    changes: Any = ("none", "zero", "mean", "swap")
    stage = Recited(
        checkpoint=nothing,
        videos=videos,
        features=nothing,
        mode="latent",
        dtype="float32",
        interventions=changes,
    )
    ids = [f"{n}#{change}" for n in range(7) for change in changes]
    artifact = Artifact(tmp_path, "predictions", "f")
    items = tuple(PlannedItem(id, "k", n % 2) for n, id in enumerate(ids))
    artifact.write_plan(Plan("r", 2, items, {}))

    def make(pending: list[str]) -> dict[str, Prediction]:
        begun: list[str] = []
        context = Context(
            store=Store(tmp_path),
            artifact=artifact,
            runtime=Runtime(),
            emit=lambda event: None,
            begin=begun.extend,
            batch=3,
        )
        made: list[Prediction] = list(stage.make(pending, context))  # type: ignore[arg-type]
        assert sorted(begun) == sorted(pending) == sorted(p.id for p in made)
        return {p.id: p for p in made}

    whole = make(ids)
    donors = _donors([""] * 7, 0)
    for n in range(7):
        given = {"none": n, "zero": 0, "mean": 3, "swap": donors[n]}
        assert {c: float(whole[f"{n}#{c}"].response) for c in changes} == given
    for pending in (ids[::2], ids[5:], ids[-1:], ["3#none", "6#none"], ["2#swap"]):
        found = make(pending)
        assert [digest_of(found[i]) for i in pending] == [digest_of(whole[i]) for i in pending]


def test_a_question_that_the_student_cannot_be_asked_is_told_apart(tmp_path: Path) -> None:
    student = Student.from_pretrained(make_student(tmp_path / "base", max_tokens=600))
    samples = [
        sample((), "x", "plain"),
        dataclasses.replace(sample((), "x", "special"), question="What is <|im_end|>?"),
        dataclasses.replace(sample((), "x", "long"), question="Where? " * 400),
    ]
    tokens = np.zeros((3, 32), np.float32)
    rows = [
        VideoFeatures(id=s.video_id, tokens=tokens, grid_thw=(3, 2, 2), pts_seconds=(0.0,) * 6)
        for s in samples
    ]
    stage: Any = SimpleNamespace(
        _samples=lambda store: samples,
        features=SimpleNamespace(rows=lambda store, videos: rows),
        max_new_tokens=8,
    )
    context: Any = SimpleNamespace(store=None)
    asked, unfit = PredictionsStage._questions(stage, context, student)
    assert [s.id for s, _ in asked] == ["plain"]
    assert {s.id: e.reason for s, e in unfit} == {"special": "special_token", "long": "too_long"}
