"""What a world predicts of an answer, turned into this question's letters."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import pytest

from storm.evaluation.theory import Theory
from storm.records import VideoSample
from storm.testing import make_sample

OPTIONS = ("cup 1", "cup 2", "cup 3", "cup 4")


def sample(name: str, answer: str = "A", options: tuple[str, ...] = OPTIONS) -> VideoSample:
    return make_sample(name, split="test", options=options, answer=answer)


def theory(k: int, own: VideoSample, **events: int | None) -> Theory:
    """A world whose patched answer names the events, and whose guesser is right at 1 / unknown."""
    world: Any = SimpleNamespace(
        events=lambda one: events.get(one.id),
        patched_answer=lambda own, donor, done: f"cup {done}",
        guess_accuracy=lambda one, unknown: 1 / (1 + unknown),
    )
    return Theory(world, k, own)


def test_the_donors_answer_is_a_letter_of_this_question() -> None:
    mine = sample("mine", options=("cup 3", "cup 1", "cup 2"))
    donor = sample("donor", "B", ("cup 1", "cup 2", "cup 3"))  # says cup 2, here C
    assert theory(8, mine).answer("swap", donor) == "C"


@pytest.mark.parametrize(
    "donor", [sample("donor", options=("green", "blue")), sample("donor", "red", ())]
)
def test_a_donor_whose_answer_is_no_option_says_nothing(donor: VideoSample) -> None:
    assert theory(8, sample("mine", options=("red", "blue"))).answer("swap", donor) == ""


def test_an_open_question_is_told_a_text() -> None:
    told = theory(8, sample("mine", "cup 1", ()), mine=8, donor=8)
    donor = sample("donor", "cup 2", ())
    assert told.answer("patch:3", donor) == "cup 3"
    assert told.answer("swap", donor) == "cup 8"
    assert theory(8, sample("mine", "red", ())).answer("swap", donor) == ""


def test_nobody_is_told_what_follows_from_its_own_latents() -> None:
    told = theory(8, sample("mine"), mine=8)
    assert [told.answer(name, sample("mine")) for name in ("swap", "patch:3")] == ["", ""]


def test_other_interventions_predict_nothing() -> None:
    told = theory(8, sample("mine"), mine=8, donor=8)
    for name in ("none", "zero", "mean", "noise:3", "sweeps:2"):
        assert told.answer(name, sample("donor")) == ""
    for name in ("none", "zero", "swap", "patch:2"):
        assert math.isnan(told.guess_accuracy(name))


@pytest.mark.parametrize(
    ("k", "slot", "letter"),
    [(8, 1, "A"), (8, 4, "D"), (4, 1, "B"), (4, 2, "D"), (16, 2, "A"), (16, 1, ""), (8, 5, "")],
)
def test_a_slot_stands_for_the_events_before_its_end(k: int, slot: int, letter: str) -> None:
    """At K = 16 the first slot ends inside an event; five events name no option."""
    told = theory(k, sample("mine"), mine=8, donor=8)
    assert told.answer(f"patch:{slot}", sample("donor")) == letter


def test_a_world_that_can_not_say_says_nothing() -> None:
    for events in ({"mine": None, "donor": None}, {"mine": 8, "donor": 4}):
        told = theory(8, sample("mine"), **events)
        assert told.answer("patch:2", sample("donor")) == ""
    assert math.isnan(theory(8, sample("mine"), mine=None).guess_accuracy("sweeps:2"))


def test_a_guesser_is_left_with_what_the_sweeps_reach() -> None:
    found = [theory(4, sample("mine"), mine=8).guess_accuracy(f"sweeps:{t}") for t in range(1, 6)]
    assert found == [1 / 7, 1 / 5, 1 / 3, 1, 1], "two events a latent, none unknown from K on"
