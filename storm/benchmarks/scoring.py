"""Score responses, and aggregate scores to a benchmark's numbers."""

from __future__ import annotations

import dataclasses
import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from storm.benchmarks.benchmark import Benchmark
from storm.benchmarks.rules.cleaning import REASONING_TAGS, strip_reasoning, unwrap_answer
from storm.benchmarks.statistics import clustered_interval
from storm.benchmarks.types import (
    AnsweredQuestion,
    Estimate,
    Judge,
    JudgeRequest,
    ScoredResponse,
)
from storm.records import Rejected


@dataclass(frozen=True, kw_only=True)
class ScoredRun:
    """All responses of one model to one benchmark, scored in one way."""

    benchmark: Benchmark
    scorer: str
    unwrap_answer: bool
    judge: str | None  # its name
    scored: tuple[ScoredResponse, ...]
    rejected: tuple[Rejected, ...]  # could not be scored at all, and why
    settings: Mapping[str, Any] = field(default_factory=dict)  # frames, pixel bounds, prompt, ...


@dataclass(frozen=True, kw_only=True)
class Aggregate:
    """The numbers of a run."""

    headline: Estimate
    breakdown: dict[str, dict[str, Estimate]]  # by axis and value; the tasks are an axis
    harness_metrics: dict[str, float]  # in the names and units of the scorer's harness
    expected: int  # questions of the data set
    completeness: float  # share of those that have a response
    match_rate: float  # share that the rule decided, of all that a rule could
    not_scored: int  # they need a judge and had none
    empty: tuple[str, ...]  # ids of empty responses
    rejected: tuple[Rejected, ...]


def score(
    benchmark: Benchmark,
    answered: Iterable[AnsweredQuestion | Rejected],
    scorer: str | None = None,
    unwrap: bool = False,
    judge: Judge | None = None,
    settings: Mapping[str, Any] | None = None,
) -> ScoredRun:
    """Score responses in their order; of a repeated id, the first counts.

    Args:
        benchmark: Its scorers and questions.
        answered: Responses, and entries that could not be read.
        scorer: The scorer's id; None: the default.
        unwrap: Whether only the content of `<answer>...</answer>` is scored.
        judge: Asked where the rule could not decide.
        settings: Recorded beside the numbers.

    Raises:
        ConfigError: If the benchmark has no such scorer.
    """
    name, chosen = benchmark.pick_scorer(scorer)
    scored: dict[str, ScoredResponse] = {}
    rejected: list[Rejected] = []
    requests: dict[str, JudgeRequest] = {}  # by the question's id
    for entry in answered:
        if isinstance(entry, Rejected):
            rejected.append(entry)
            continue
        question = entry.question
        if question.id in scored:
            detail = "expected each id once; the first counts"
            rejected.append(Rejected(id=question.id, reason="duplicate_id", detail=detail))
            continue
        response = strip_reasoning(entry.response or "")
        if unwrap:
            response = unwrap_answer(response)
        result = chosen.rule(question, response)
        if result.request is not None:
            requests[question.id] = result.request
        scored[question.id] = ScoredResponse(
            question=question,
            raw=entry.response,
            response=response,
            extracted=result.extracted,
            score=result.score,
            matched=result.matched,
        )
    if judge is not None:
        scored |= _judged(judge, scored, requests)
    return ScoredRun(
        benchmark=benchmark,
        scorer=name,
        unwrap_answer=unwrap,
        judge=judge.name if judge is not None else None,
        scored=tuple(scored.values()),
        rejected=tuple(rejected),
        settings=dict(settings or {}),
    )


def _judged(
    judge: Judge, scored: Mapping[str, ScoredResponse], requests: Mapping[str, JudgeRequest]
) -> dict[str, ScoredResponse]:
    """Return the requested responses with the judge's scores, or the rule's if it gave none."""
    judged: dict[str, ScoredResponse] = {}
    for id, reply in zip(requests, judge.ask(list(requests.values())), strict=True):
        value = scored[id].score if reply.score is None else reply.score
        judged[id] = dataclasses.replace(scored[id], score=value, judge_text=reply.text)
    return judged


def aggregate(run: ScoredRun) -> Aggregate:
    """Return the headline, every breakdown, and how much of the data set they cover."""
    scored = run.scored
    by_rule = [response.matched for response in scored if response.matched is not None]
    expected = sum(run.benchmark.sizes.values()) or len(scored) + len(run.rejected)
    return Aggregate(
        headline=_estimate(scored, run.benchmark.weights(scored)),
        breakdown={
            axis: {value: _estimate(members) for value, members in sorted(parts.items())}
            for axis, parts in _parts(scored).items()
        },
        harness_metrics=run.benchmark.harness.metrics(run.scorer, scored),
        expected=expected,
        completeness=min(1.0, len(scored) / expected) if expected else 0.0,
        match_rate=sum(by_rule) / len(by_rule) if by_rule else math.nan,
        not_scored=sum(response.score is None for response in scored),
        empty=tuple(response.id for response in scored if response.empty),
        rejected=run.rejected,
    )


def _parts(scored: Sequence[ScoredResponse]) -> dict[str, dict[str, list[ScoredResponse]]]:
    """Group responses by axis and value; the tasks come first, if there are several."""
    parts: dict[str, dict[str, list[ScoredResponse]]] = defaultdict(lambda: defaultdict(list))
    several = len({response.task for response in scored}) > 1
    for response in scored:
        if several:
            parts["task"][response.task].append(response)
        for axis, value in response.question.groups:
            parts[axis][value].append(response)
    return parts


def _estimate(scored: Sequence[ScoredResponse], weights: Sequence[float] | None = None) -> Estimate:
    counted = [
        (response.score, response.cluster, weight)
        for response, weight in zip(scored, weights or [1.0] * len(scored), strict=True)
        if response.score is not None and weight > 0
    ]
    scores, clusters, kept = zip(*counted, strict=True) if counted else ((), (), ())
    return Estimate(*clustered_interval(scores, clusters, kept), len(scores))


def lines_of(run: ScoredRun) -> Iterator[dict[str, Any]]:
    """Yield one line per response, in their order."""
    for response in run.scored:
        line: dict[str, Any] = {
            "id": response.id,
            "extracted": response.extracted,
            "score": response.score,
        }
        if response.judge_text:
            line["judge"] = response.judge_text
        yield line


def summary_of(run: ScoredRun, numbers: Aggregate) -> dict[str, Any]:
    """Return an aggregate as one JSON value, with all that the numbers depend on."""
    _, scorer = run.benchmark.pick_scorer(run.scorer)
    present = {response.task for response in run.scored}
    return {
        "benchmark": run.benchmark.name,
        "scorer": run.scorer,
        "scorer_version": scorer.version,
        "stripped": list(REASONING_TAGS),
        "unwrap_answer": run.unwrap_answer,
        "judge": run.judge,
        "settings": dict(run.settings),
        **_as_json(numbers.headline),
        "harness_metrics": numbers.harness_metrics,
        "match_rate": _finite(numbers.match_rate),
        "completeness": numbers.completeness,
        "expected": numbers.expected,
        "tasks_present": len(present),
        "tasks": len(run.benchmark.sizes) or len(present),
        "not_scored": numbers.not_scored,
        "empty": list(numbers.empty),
        "rejected": [dataclasses.asdict(entry) for entry in numbers.rejected],
        "breakdown": {
            axis: {value: _as_json(estimate) for value, estimate in parts.items()}
            for axis, parts in numbers.breakdown.items()
        },
    }


def _as_json(estimate: Estimate) -> dict[str, Any]:
    interval = [_finite(estimate.low), _finite(estimate.high)]
    return {"accuracy": _finite(estimate.value), "ci95": interval, "n": estimate.n}


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
