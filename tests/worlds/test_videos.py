"""What the worlds say of their questions: kinds, donors, patched answers, open answers."""

from __future__ import annotations

from collections import Counter

import pytest

from storm.evaluation.theory import Theory
from storm.records import VideoSample
from storm.testing import make_sample
from storm.worlds.registry import WORLDS
from storm.worlds.scenes import open_question, question
from storm.worlds.videos import Counts, Level, WorldVideos

VIDEOS = WorldVideos(seed=5, counts=Counts(train=0, test=16))


def samples() -> list[VideoSample]:
    found = []
    for id, item in VIDEOS.split_items("test").items():
        if item.is_open:
            text, answer = open_question(item.world, item.scene)
            options: tuple[str, ...] = ()
        else:
            text, options, answer = question(item.world, item.scene)
        found.append(make_sample(id, split="test", question=text, options=options, answer=answer))
    return found


SAMPLES = samples()


def test_a_kind_is_a_world_and_a_form_of_answer() -> None:
    kinds = Counter(VIDEOS.kind_of(sample) for sample in SAMPLES)
    assert kinds == {**dict.fromkeys(WORLDS, 12), **{f"{name} in words": 4 for name in WORLDS}}


def test_each_question_has_donors_and_they_can_be_told() -> None:
    """The donor's state goes on with the sample's own events, in its letters or its words."""
    groups = Counter(VIDEOS.donors_of(sample) for sample in SAMPLES)
    assert min(groups.values()) > 1
    told = 0
    for own in SAMPLES:
        for donor in SAMPLES:
            if VIDEOS.donors_of(own) != VIDEOS.donors_of(donor) or own is donor:
                continue
            mine, other = VIDEOS.item_of(own), VIDEOS.item_of(donor)
            states = (other.scene.story.start, *mine.world.follow(other.scene.story))
            for slot in (1, 5, 8):
                left = mine.scene.story.events[slot:]
                last = mine.world.carry(mine.scene.story.setting, states[slot], left)
                expected = mine.said((states[slot], *last)[-1])
                found = Theory(VIDEOS, 8, own).answer(f"patch:{slot}", donor)
                assert (own.options["ABCD".index(found)] if own.options else found) == expected
                told += 1
    assert told > 500


def test_another_world_or_other_walls_say_nothing() -> None:
    first = {VIDEOS.donors_of(sample): sample for sample in SAMPLES}
    for group, own in first.items():
        for other, donor in first.items():
            told = VIDEOS.patched_answer(own, donor, 3)
            assert (told is None) == (group != other)


def test_an_open_answer_counts_by_the_state_that_it_names() -> None:
    lettered, opened = (
        next(s for s in SAMPLES if VIDEOS.kind_of(s) == kind) for kind in ("dial", "dial in words")
    )
    said = VIDEOS.in_own_words(opened, "it is pointing to the left")
    assert said == WORLDS["dial"].sentence(3)
    for text in ("left or right", "not left", "somewhere"):
        assert VIDEOS.in_own_words(opened, text) == text
    assert VIDEOS.in_own_words(lettered, "left") == "left"


def test_worlds_with_rests_have_no_guesser() -> None:
    resting = WorldVideos(level=Level(events=3), counts=VIDEOS.counts)
    (sample,) = SAMPLES[:1]
    assert resting.guess_accuracy(sample, 1) is None
    assert VIDEOS.guess_accuracy(sample, 0) == pytest.approx(1)
