"""The check's numbers and its verdict."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from storm.benchmarks.paired import (
    MIN_CLUSTERS,
    Pair,
    PairedDifference,
    paired_difference,
    paired_differences,
)
from storm.benchmarks.statistics import clustered_interval
from storm.config import LETTERS
from storm.records import VideoSample
from storm.target_check.scores import ALONE, CONDITIONS, DIRECT, DUMMIES, ORACLE, score_id
from storm.target_check.target_score import TargetScore
from storm.target_check.variance import (
    differ,
    explained_by_input,
    nearest_answers,
    variance_shares,
)

WAYS = {"after the video": "", "without the video": ALONE}  # what the names of conditions end with
READS = 0.5  # a base reads a span if its content decides most answers
WORTHLESS = 0.25  # of the points that are missing after `direct`: less is not worth a training

Outcome = Literal["yes", "no", "can't say"]
Interval = tuple[float, float, float]  # value, and the ends of its 95 % interval


@dataclass(frozen=True)
class Way:
    """One way to show the base a span.

    Attributes:
        name: Whether the video stands before it.
        gain: Accuracy with the targets minus direct accuracy.
        over: Accuracy with the targets minus that with each dummy.
        follows: How often the answer changes when another question's target stands in the span.
    """

    name: str
    gain: PairedDifference
    over: Mapping[str, PairedDifference]
    follows: Interval

    @property
    def helps(self) -> bool:
        """Whether the targets beat no span and every dummy."""
        return all(d.value > 0 and d.significant for d in (self.gain, *self.over.values()))

    @property
    def reads(self) -> bool:
        """Whether the content of the span decides most answers."""
        return self.follows[1] > READS


@dataclass(frozen=True)
class TargetReport:
    """What is known of targets before a training.

    Attributes:
        questions: How many were scored.
        clusters: Of how many clusters.
        accuracy: With each condition.
        ways: The two ways to show a span.
        log_gain: The mean log-probability of the right answer with the targets minus without, in
            nats, of each way.
        shares: Of the targets' variance (see `variance_shares`).
        differ: Whether targets differ between questions.
        explained: The share of their variance that the input's features explain; None for targets
            without any.
        nearest: How often the nearest target has the same answer, minus chance.
        saw_answer: The share of the targets whose teacher was shown the answer.
    """

    questions: int
    clusters: int
    accuracy: Mapping[str, Interval]
    ways: Sequence[Way]
    log_gain: Mapping[str, float]
    shares: Mapping[str, float]
    differ: bool
    explained: PairedDifference | None
    nearest: PairedDifference
    saw_answer: float

    @property
    def verdict(self) -> tuple[Outcome, str]:
        """Whether the targets are worth training on, and why."""
        return verdict(self)


def verdict(report: TargetReport) -> tuple[Outcome, str]:
    """Return whether targets are worth training on, and why, in words."""
    if not report.differ:
        return "no", "the targets of all questions are the same"
    if report.clusters < MIN_CLUSTERS:
        return "can't say", f"{report.clusters} clusters of questions are under {MIN_CLUSTERS}"
    helps = [way for way in report.ways if way.helps]
    if helps and report.saw_answer:
        return "can't say", f"the teacher saw {report.saw_answer:.0%} of the answers"
    if helps:
        best = max(helps, key=lambda way: way.gain.value)
        return "yes", f"{best.name}, the base answers better with them than with none or dummies"
    if not any(way.reads for way in report.ways):
        return "can't say", "the base does not answer by what stands in its latent span"
    missing = 1 - report.accuracy[DIRECT][0]
    most = max(way.gain.high for way in report.ways)
    if most < WORTHLESS * missing:
        return "no", (
            f"the base answers by them, and gains at most {100 * most:.1f} of the "
            f"{100 * missing:.1f} points that it lacks"
        )
    return "can't say", "they are shown neither to help nor to be worth little: take more questions"


def report_of(
    samples: Sequence[VideoSample],
    scores: Iterable[TargetScore],
    targets: np.ndarray,
    features: np.ndarray,
    saw_answer: float,
) -> TargetReport:
    """Return what is known of the targets of N questions.

    Args:
        samples: The questions.
        scores: Theirs, in every condition.
        targets: (N, K, hidden), in the samples' order.
        features: Of their videos, (N, D).
        saw_answer: The share of the targets whose teacher was shown the answer.
    """
    of = {score.id: score for score in scores}
    by_condition = {c: [of[score_id(s.id, c)] for s in samples] for c in CONDITIONS}
    clusters = [s.cluster for s in samples]
    pairs = {
        (name, against): _pairs(by_condition[ORACLE + end], by_condition[against])
        for name, end in WAYS.items()
        for against in (DIRECT, *(fed + end for fed in DUMMIES))
    }
    differences = paired_differences(pairs)
    answers = [s.options[LETTERS.index(s.answer)] if s.options else s.answer for s in samples]
    nearest = zip(*nearest_answers(targets, answers, clusters), clusters, strict=True)
    return TargetReport(
        questions=len(samples),
        clusters=len(set(clusters)),
        accuracy={
            c: clustered_interval([s.correct for s in rows], clusters)
            for c, rows in by_condition.items()
        },
        ways=[
            Way(
                name=name,
                gain=differences[name, DIRECT],
                over={fed: differences[name, fed + end] for fed in DUMMIES},
                follows=_follows(by_condition[ORACLE + end], by_condition["swap" + end]),
            )
            for name, end in WAYS.items()
        ],
        log_gain={
            name: _log_gain(by_condition[ORACLE + end], by_condition[DIRECT])
            for name, end in WAYS.items()
        },
        shares=variance_shares(targets),
        differ=differ(targets),
        explained=_explained(features, targets, clusters) if differ(targets) else None,
        nearest=paired_difference([Pair(*row) for row in nearest]),
        saw_answer=saw_answer,
    )


def _pairs(first: Sequence[TargetScore], second: Sequence[TargetScore]) -> list[Pair]:
    return [
        Pair(float(a.correct), float(b.correct), a.cluster)
        for a, b in zip(first, second, strict=True)
    ]


def _follows(own: Sequence[TargetScore], swapped: Sequence[TargetScore]) -> Interval:
    changed = [a.chosen != b.chosen for a, b in zip(own, swapped, strict=True)]
    return clustered_interval(changed, [score.cluster for score in own])


def _log_gain(oracle: Sequence[TargetScore], direct: Sequence[TargetScore]) -> float:
    gains = [a.log_probability - b.log_probability for a, b in zip(oracle, direct, strict=True)]
    return sum(gains) / len(gains)


def _explained(
    features: np.ndarray, targets: np.ndarray, clusters: Sequence[str]
) -> PairedDifference:
    """Return 1 - sum(errors) / sum(spreads), as a mean that is weighted by the spreads."""
    errors, spreads = explained_by_input(features, targets, clusters)
    rows = zip(errors, spreads, clusters, strict=True)
    return paired_difference([Pair(1.0, e / s, c, s) for e, s, c in rows if s > 0])


def lines(report: TargetReport) -> list[str]:
    """Return the report as text: the verdict comes last."""
    outcome, why = report.verdict
    found = [f"questions  {report.questions} of {report.clusters} clusters"]
    found += [f"accuracy   {name:<13}{_points(*i)}" for name, i in report.accuracy.items()]
    for way in report.ways:
        found.append(f"{way.name}:")
        found.append(f"  targets minus direct    {_gap(way.gain)}")
        found += [f"  targets minus {fed:<10}{_gap(gap)}" for fed, gap in way.over.items()]
        found.append(f"  answers that change with another target {_points(*way.follows)}")
        found.append(f"  log-probability gained  {report.log_gain[way.name]:+.2f} nats")
    shares = ", ".join(f"{name} {100 * share:.1f} %" for name, share in report.shares.items())
    found.append(f"variance of the targets: {shares}")
    if report.explained is not None:
        found.append(f"explained by the input's features {_gap(report.explained)} %")
    found.append(f"nearest target has the same answer, minus chance {_gap(report.nearest)}")
    if report.saw_answer:
        found.append(f"the teacher saw {report.saw_answer:.0%} of the answers")
    return [*found, f"worth training on: {outcome} ({why})"]


def as_json(report: TargetReport) -> dict[str, Any]:
    """Return the report as JSON values; differences and shares are 1 for all."""
    outcome, why = report.verdict
    return {
        "verdict": outcome,
        "why": why,
        "questions": report.questions,
        "clusters": report.clusters,
        "accuracy": {name: _interval(*i) for name, i in report.accuracy.items()},
        "ways": {
            way.name: {
                "gain": _difference(way.gain),
                "over": {fed: _difference(gap) for fed, gap in way.over.items()},
                "follows": _interval(*way.follows),
                "log_gain": report.log_gain[way.name],
            }
            for way in report.ways
        },
        "variance": {k: None if math.isnan(v) else v for k, v in report.shares.items()},
        "explained_by_input": report.explained and _difference(report.explained),
        "nearest_same_answer_minus_chance": _difference(report.nearest),
        "saw_answer": report.saw_answer,
    }


def _interval(value: float, low: float, high: float) -> dict[str, Any]:
    return {"value": value, "ci95": [low, high]}


def _difference(found: PairedDifference) -> dict[str, Any]:
    return {**_interval(found.value, found.low, found.high), "p": found.p_holm}


def _points(value: float, low: float, high: float) -> str:
    return f"{100 * value:.1f} ({100 * low:.1f} to {100 * high:.1f})"


def _gap(found: PairedDifference) -> str:
    low, high = 100 * found.low, 100 * found.high
    return f"{100 * found.value:+.1f} ({low:+.1f} to {high:+.1f})"
