"""From responses to scores, and from scores to the numbers of a benchmark."""

from __future__ import annotations

import dataclasses
import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from storm.benchmarks.benchmark import Benchmark, Judge, JudgeRequest, Question
from storm.benchmarks.rules.cleaning import REASONING_TAGS, strip_reasoning, unwrap_answer
from storm.benchmarks.statistics import clustered_interval
from storm.records import Rejected


class Answered(NamedTuple):
    """A question with a response to it; None: the model gave none."""

    question: Question
    response: str | None


@dataclass(frozen=True, kw_only=True)
class Scored:
    """One response with its score."""

    question: Question
    raw: str | None  # the response as it was given; None: there was none
    response: str  # after cleaning: what the rule looked at
    extracted: str  # '' if nothing could be
    score: float | None  # 0 to 1; None: not scored, in no denominator
    matched: bool | None  # whether the rule decided; None: no rule could, ever
    said: str = ""  # by the judge, if it was asked

    @property
    def id(self) -> str:
        return self.question.id

    @property
    def task(self) -> str:
        return self.question.task

    @property
    def video_id(self) -> str:
        return self.question.video_id

    @property
    def empty(self) -> bool:
        return not self.response


@dataclass(frozen=True, kw_only=True)
class Run:
    """All responses of one model to one benchmark, scored in one way."""

    benchmark: Benchmark
    scorer: str
    unwrap_answer: bool
    judge: str | None  # its name
    scored: tuple[Scored, ...]
    refused: tuple[Rejected, ...]  # what could not be scored at all, and why
    settings: Mapping[str, Any] = field(default_factory=dict)  # frames, pixel bounds, prompt, …


class Number(NamedTuple):
    value: float  # 0 to 1; NaN of none
    low: float  # 95 % interval, clustered by video
    high: float
    n: int


@dataclass(frozen=True, kw_only=True)
class Aggregate:
    """What a run comes to."""

    headline: Number
    breakdown: dict[str, dict[str, Number]]  # axis -> value -> number; the tasks are an axis
    as_printed: dict[str, float]  # under the names and in the units of the scorer's harness
    expected: int  # questions of the data set
    completeness: float  # share of those that have a response
    match_rate: float  # share that the rule could decide, of all that a rule could
    not_scored: int  # they need a judge and had none
    empty: tuple[str, ...]  # ids of empty responses
    refused: tuple[Rejected, ...]


def score(
    benchmark: Benchmark,
    answered: Iterable[Answered | Rejected],
    scorer: str | None = None,
    unwrap: bool = False,
    judge: Judge | None = None,
    settings: Mapping[str, Any] | None = None,
) -> Run:
    """Score responses in their order; of an id that comes again, the first one counts.

    Raises `ConfigError` if the benchmark has no such scorer.
    """
    name, rule = benchmark.pick_scorer(scorer)
    scored: list[Scored] = []
    refused: list[Rejected] = []
    requests: dict[int, JudgeRequest] = {}  # place in `scored`: what a judge is asked
    seen: set[str] = set()
    for one in answered:
        if isinstance(one, Rejected):
            refused.append(one)
            continue
        question = one.question
        if question.id in seen:
            detail = "expected each id once; the first counts"
            refused.append(Rejected(id=question.id, reason="duplicate_id", detail=detail))
            continue
        seen.add(question.id)
        response = strip_reasoning(one.response or "")
        if unwrap:
            response = unwrap_answer(response)
        verdict = rule.rule(question, response)
        if verdict.request is not None:
            requests[len(scored)] = verdict.request
        scored.append(
            Scored(
                question=question,
                raw=one.response,
                response=response,
                extracted=verdict.extracted,
                score=verdict.score,
                matched=verdict.matched,
            )
        )
    if judge is not None:
        _ask(judge, scored, requests)
    return Run(
        benchmark=benchmark,
        scorer=name,
        unwrap_answer=unwrap,
        judge=judge.name if judge is not None else None,
        scored=tuple(scored),
        refused=tuple(refused),
        settings=dict(settings or {}),
    )


def _ask(judge: Judge, scored: list[Scored], requests: Mapping[int, JudgeRequest]) -> None:
    """Put the judge's opinions in place. Where it gave none, the rule's verdict stays."""
    opinions = judge.ask(list(requests.values()))
    for place, opinion in zip(requests, opinions, strict=True):
        value = scored[place].score if opinion.score is None else opinion.score
        scored[place] = dataclasses.replace(scored[place], score=value, said=opinion.said)


def aggregate(run: Run) -> Aggregate:
    """The headline, every breakdown, and how much of the data set they rest on."""
    scored = run.scored
    by_rule = [one.matched for one in scored if one.matched is not None]
    expected = sum(run.benchmark.sizes.values()) or len(scored) + len(run.refused)
    return Aggregate(
        headline=_number(scored, run.benchmark.weights(scored)),
        breakdown={
            axis: {value: _number(members) for value, members in sorted(parts.items())}
            for axis, parts in _parts(scored).items()
        },
        as_printed=run.benchmark.as_printed(run.scorer, scored),
        expected=expected,
        completeness=min(1.0, len(scored) / expected) if expected else 0.0,
        match_rate=sum(by_rule) / len(by_rule) if by_rule else math.nan,
        not_scored=sum(one.score is None for one in scored),
        empty=tuple(one.id for one in scored if one.empty),
        refused=run.refused,
    )


def _parts(scored: Sequence[Scored]) -> dict[str, dict[str, list[Scored]]]:
    """Members of each value of each axis; the tasks first, if there are several."""
    parts: dict[str, dict[str, list[Scored]]] = defaultdict(lambda: defaultdict(list))
    several = len({one.task for one in scored}) > 1
    for one in scored:
        if several:
            parts["task"][one.task].append(one)
        for axis, value in one.question.groups:
            parts[axis][value].append(one)
    return parts


def _number(scored: Sequence[Scored], weights: Sequence[float] | None = None) -> Number:
    chosen = [
        (one.score, one.video_id, weight)
        for one, weight in zip(scored, weights or [1.0] * len(scored), strict=True)
        if one.score is not None and weight > 0
    ]
    scores, videos, kept = zip(*chosen, strict=True) if chosen else ((), (), ())
    return Number(*clustered_interval(scores, videos, kept), len(scores))


def lines_of(run: Run) -> Iterator[dict[str, Any]]:
    """One line a response, in their order."""
    for one in run.scored:
        line: dict[str, Any] = {"id": one.id, "extracted": one.extracted, "score": one.score}
        if one.said:
            line["judge"] = one.said
        yield line


def summary_of(run: Run, found: Aggregate) -> dict[str, Any]:
    """An aggregate as one JSON value, with all that the numbers hang on."""
    _, scorer = run.benchmark.pick_scorer(run.scorer)
    present = {one.task for one in run.scored}
    return {
        "benchmark": run.benchmark.name,
        "scorer": run.scorer,
        "scorer_version": scorer.version,
        "stripped": list(REASONING_TAGS),
        "unwrap_answer": run.unwrap_answer,
        "judge": run.judge,
        "settings": dict(run.settings),
        **_plain(found.headline),
        "as_printed": found.as_printed,
        "match_rate": _finite(found.match_rate),
        "completeness": found.completeness,
        "expected": found.expected,
        "tasks_present": len(present),
        "tasks": len(run.benchmark.sizes) or len(present),
        "not_scored": found.not_scored,
        "empty": list(found.empty),
        "refused": [dataclasses.asdict(one) for one in found.refused],
        "breakdown": {
            axis: {value: _plain(number) for value, number in parts.items()}
            for axis, parts in found.breakdown.items()
        },
    }


def _plain(number: Number) -> dict[str, Any]:
    interval = [_finite(number.low), _finite(number.high)]
    return {"accuracy": _finite(number.value), "ci95": interval, "n": number.n}


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
