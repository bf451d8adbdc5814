"""What an answer says, whose latents a question is given, and what those would say."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from storm.benchmarks import predictions
from storm.benchmarks.predictions import (
    PredictionsStage,
    _derangement,
    _prediction,
    _replacement,
)
from storm.records import Prediction, VideoSample, digest_of
from storm.runtime import Runtime
from storm.stage import Context
from storm.store import Artifact, Plan, PlannedItem, Store
from storm.student.letters import extract_letter


@pytest.mark.parametrize(
    ("response", "letter"),
    [
        ("B", "B"),
        (" B ", "B"),
        ("(B)", "B"),
        ("B.", "B"),
        ("B) cup 2", "B"),
        ("b", ""),  # the students answer in capitals; a small b is a word's
        ("The answer is C.", "C"),
        ("The answer is (D), not (A)", "D"),
        ("Answer:C", "C"),
        ("C\nB", "C"),
        ("<answer>B</answer>", "B"),
        ("E", ""),  # no such option
        ("E or B", "B"),
        ("BANANA", ""),
        ("Cup 2", ""),
        ("ABCD", ""),
        ("", ""),
        ("2", ""),
        ("答案是B。", "B"),
        ("\u00c4B", ""),  # inside a word of another alphabet
        ("%s {} \\", ""),
    ],
)
def test_the_letter_of_a_response(response: str, letter: str) -> None:
    assert extract_letter(response, 4) == letter


def test_only_letters_of_the_options_count() -> None:
    assert extract_letter("D or B", 3) == "B"
    assert extract_letter("D or B", 4) == "D"
    assert extract_letter("Z", 26) == "Z"


@pytest.mark.parametrize("n", [2, 3, 4, 5, 8, 100, 1024])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_everyone_has_another_ones_latents(n: int, seed: int) -> None:
    donors = _derangement(n, seed)
    assert sorted(donors) == list(range(n)), "each gives once"
    assert all(donor != i for i, donor in enumerate(donors))
    assert donors == _derangement(n, seed)


def test_seeds_draw_other_donors() -> None:
    assert _derangement(50, 0) != _derangement(50, 1)


def test_what_stands_in_place_of_the_latents() -> None:
    latents = np.arange(24, dtype=np.float32).reshape(3, 4, 2)
    assert _replacement("none", latents, [0, 1]) is None
    zero = _replacement("zero", latents, [1, 2])
    mean = _replacement("mean", latents, [1, 2])
    swap = _replacement("swap", latents, [2, 0])
    assert zero is not None and mean is not None and swap is not None  # noqa: PT018
    assert zero.shape == mean.shape == swap.shape == (2, 4, 2)
    assert not zero.any()
    np.testing.assert_array_equal(mean[0], latents.mean(0))
    np.testing.assert_array_equal(mean[0], mean[1])
    np.testing.assert_array_equal(swap, latents[[2, 0]])


def sample(options: tuple[str, ...], answer: str, name: str = "q") -> VideoSample:
    return VideoSample(
        id=name,
        video_id=f"video of {name}",
        video_path="v.mp4",
        video_sha256="0",
        split="test",
        question="Which cup hides the ball?",
        options=options,
        answer=answer,
    )


def test_the_donors_answer_is_a_letter_of_this_question() -> None:
    mine = sample(("cup 3", "cup 1", "cup 2"), "A")
    donor = sample(("cup 1", "cup 2", "cup 3"), "B", "donor")  # says cup 2, here C
    made = _prediction("q#swap", mine, "swap", "C", donor)
    assert (made.predicted, made.correct, made.donor_answer) == ("C", False, "C")
    same = sample(("cup 3", "cup 2", "cup 1"), "A", "donor")
    assert _prediction("q#swap", mine, "swap", "A", same).donor_answer == "A"


def test_a_donor_whose_answer_is_no_option_here_says_nothing() -> None:
    mine = sample(("red", "blue"), "A")
    for donor in (sample(("green", "blue"), "A", "donor"), sample((), "red", "donor"), None):
        made = _prediction("q#swap", mine, "swap", "(A)", donor)
        assert (made.donor_answer, made.correct) == ("", True)


def test_an_open_question_is_scored_by_its_text() -> None:
    mine = sample((), "The Ball")
    assert _prediction("q#none", mine, "none", " the ball\n", None).correct
    assert not _prediction("q#none", mine, "none", "a ball", None).correct


def test_no_letter_is_never_correct() -> None:
    made = _prediction("q#none", sample(("x", "y"), "A"), "none", "I can't say", None)
    assert (made.predicted, made.correct) == ("", False)


class Recited(PredictionsStage):
    """A stage whose student says the latents that it was given, or else its question's own."""

    def _questions(self, wanted: set[str], context: Context) -> list[Any]:
        return [(sample(("A", "B"), "A", name), None) for name in sorted(wanted)]

    def _answer(self, student: Any, questions: Sequence[Any], latents: Any) -> Any:
        own = [np.full((2, 2), int(q.id), np.float32) for q, _ in questions]
        given = own if latents is None else latents
        return [SimpleNamespace(text=f"{g.mean()}", latents=torch.from_numpy(g)) for g in given]


def test_no_row_depends_on_what_is_pending_or_on_shards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(predictions, "load_student", lambda *_: None)
    nothing: Any = None
    changes: Any = ("none", "zero", "mean", "swap")
    stage = Recited(nothing, nothing, nothing, "latent", "float32", changes)
    ids = [f"{n}#{change}" for n in range(7) for change in changes]
    artifact = Artifact(tmp_path, "predictions", "f")
    artifact.write_plan(Plan("r", 2, tuple(PlannedItem(i, "k", n % 2) for n, i in enumerate(ids))))

    def make(pending: list[str]) -> dict[str, str]:
        begun: list[str] = []
        context = Context(
            Store(tmp_path), artifact, Runtime(), lambda event: None, begun.extend, batch=3
        )
        made: list[Prediction] = list(stage.make(pending, context))  # type: ignore[arg-type]
        assert sorted(begun) == sorted(pending) == sorted(p.id for p in made)
        return {p.id: digest_of(p) for p in made}

    whole = make(ids)
    for pending in (ids[::2], ids[5:], ids[-1:], ["3#none", "6#none"], ["2#swap"]):
        assert make(pending) == {i: whole[i] for i in pending}
