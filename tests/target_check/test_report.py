"""The verdict on targets, from answers that are made up."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from storm.target_check.report import TargetReport, as_json, lines, report_of
from storm.target_check.scores import CONDITIONS, score_id
from storm.target_check.target_score import TargetScore
from storm.testing import make_sample

N, OPTIONS = 120, ("one", "two", "three", "four")
Choose = Callable[[int, str], int]  # the number of a question, a condition -> an option
RNG = np.random.default_rng(0)
TARGETS = RNG.standard_normal((N, 2, 4))
GUESSES = RNG.integers(0, 4, (len(CONDITIONS), N))


def guess(i: int, condition: str) -> int:
    """Return what a base says that knows nothing, another guess for whatever it is shown."""
    return int(GUESSES[CONDITIONS.index(condition), i])


def report(
    choose: Choose, targets: np.ndarray = TARGETS, clusters: int = N, saw_answer: float = 0.0
) -> TargetReport:
    samples = [
        make_sample(f"q{i}", options=OPTIONS, answer="ABCD"[i % 4], cluster=str(i % clusters))
        for i in range(N)
    ]
    scores = []
    for i, sample in enumerate(samples):
        for condition in CONDITIONS:
            chosen = "ABCD"[choose(i, condition)]
            fields: dict[str, Any] = {"condition": condition, "chosen": chosen}
            fields |= {"id": score_id(sample.id, condition), "question_id": sample.id}
            fields |= {"video_id": sample.video_id, "cluster": sample.cluster}
            fields |= {"correct": chosen == sample.answer, "log_probability": -float(len(chosen))}
            scores.append(TargetScore(**fields))
    features = RNG.standard_normal((N, 3))
    return report_of(samples, scores, targets, features, saw_answer)


def reads(i: int, condition: str) -> int:
    """Return the answer that stands in the span without a video: its own, or the donor's."""
    return {"oracle_alone": i % 4, "swap_alone": (i + 1) % 4}.get(condition, guess(i, condition))


def misled(i: int, condition: str) -> int:
    """Return what a base says that reads targets of other questions: always the wrong ones."""
    return {"oracle_alone": (i + 1) % 4, "swap_alone": (i + 2) % 4}.get(
        condition, guess(i, condition)
    )


def deaf(i: int, condition: str) -> int:
    """Return what a base says that does not care what stands in the span."""
    return int(GUESSES[0, i])


def better_with_any(i: int, condition: str) -> int:
    """Return what a base says that any span helps: the targets do nothing of their own."""
    return guess(i, condition) if condition == "direct" else i % 4


@pytest.mark.parametrize(
    ("choose", "changed", "outcome", "why"),
    [
        (reads, {}, "yes", "without the video"),
        (reads, {"clusters": 9}, "can't say", "9 clusters"),
        (reads, {"saw_answer": 0.5}, "can't say", "teacher saw 50% of the answers"),
        (reads, {"targets": TARGETS[:1].repeat(N, 0)}, "no", "are the same"),
        (misled, {}, "no", "gains at most"),
        (deaf, {}, "can't say", "does not answer by what stands in its latent span"),
        (better_with_any, {}, "can't say", "does not answer by"),
    ],
)
def test_the_verdict(choose: Choose, changed: dict[str, Any], outcome: str, why: str) -> None:
    found = report(choose, **changed)
    assert found.verdict[0] == outcome
    assert why in found.verdict[1]
    assert lines(found)[-1] == f"worth training on: {outcome} ({found.verdict[1]})"
    assert as_json(found)["verdict"] == outcome


def helped_as_by_a_dummy(i: int, condition: str) -> int:
    """Return what a base says that targets help with every fifth question, and so do zeros."""
    if condition == "swap":
        return (i + 2) % 4
    right = i % 5 < 2 + (condition in ("oracle", "zero"))
    return (i + (not right)) % 4


def test_targets_that_help_no_more_than_a_dummy_are_not_judged() -> None:
    found = report(helped_as_by_a_dummy)
    way = found.ways[0]
    assert way.reads
    assert way.gain.significant
    assert not way.helps
    assert found.verdict[0] == "can't say"
    assert "take more questions" in found.verdict[1]


def test_numbers_are_of_the_conditions_that_they_name() -> None:
    found = report(reads)
    numbers = as_json(found)
    assert numbers["accuracy"]["oracle_alone"]["value"] == 1.0
    right = np.mean(GUESSES[0] == np.arange(N) % 4)
    assert numbers["accuracy"]["direct"]["value"] == pytest.approx(right)
    alone = numbers["ways"]["without the video"]
    assert alone["gain"]["value"] == pytest.approx(1 - right)
    assert alone["follows"]["value"] == 1.0
    assert alone["over"]["swap"]["value"] == 1.0
    low, high = alone["gain"]["ci95"]
    assert low < alone["gain"]["value"] < high
    assert (numbers["questions"], numbers["clusters"]) == (N, N)
