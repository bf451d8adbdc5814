"""Summarize finished evaluations: scores, breakdowns, comparisons and latency."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from storm.artifacts.fs import write_atomic, write_json
from storm.artifacts.store import Store
from storm.benchmarks.comparison import Difference, compare
from storm.benchmarks.lmms_files import LMMS_ZONE, write_lmms_files
from storm.benchmarks.scoring import ScoredRun, aggregate, score, summary_of
from storm.benchmarks.types import AnsweredQuestion, Judge
from storm.errors import DataError
from storm.evaluation.evaluations import EvaluationStage
from storm.evaluation.latency import LatencyStage
from storm.records import Latency, Rejected, Response


@dataclass(frozen=True, kw_only=True)
class EvaluationSummary:
    """One checkpoint on one benchmark, in every mode that was evaluated."""

    runs: dict[str, ScoredRun]  # by mode
    responses: dict[str, dict[str, Response]]  # by mode and question
    sealed_at: dict[str, datetime]  # by mode
    comparisons: list[Difference]
    latency: list[Latency]

    def as_json(self) -> dict[str, Any]:
        """Return all numbers as one JSON value."""
        return {
            "modes": {mode: summary_of(run, aggregate(run)) for mode, run in self.runs.items()},
            "comparisons": [difference.as_json() for difference in self.comparisons],
            "latency": [asdict(row) for row in self.latency],
        }


def summarize(
    stages: Sequence[EvaluationStage],
    latency: LatencyStage | None,
    store: Store,
    scorer: str | None = None,
    unwrap: bool = False,
    judge: Judge | None = None,
) -> EvaluationSummary:
    """Score the sealed evaluations of one benchmark.

    Prompts for a chain of thought ask for `<answer>` tags: with `cot` among the modes, the answers
    of all modes are unwrapped.

    Args:
        stages: One for each mode, sealed.
        latency: Sealed, if it was measured.
        store: Where they are.
        scorer: The scorer's id; None: the default.
        unwrap: Whether only the content of `<answer>...</answer>` is scored.
        judge: Asked where a rule can't decide.
    """
    unwrap = unwrap or any(stage.mode == "cot" for stage in stages)
    runs: dict[str, ScoredRun] = {}
    responses: dict[str, dict[str, Response]] = {}
    sealed_at: dict[str, datetime] = {}
    for stage in stages:
        manifest = stage.artifact(store).manifest()
        rows = {row.id: row for row in stage.rows(store)}
        rejected = [Rejected(**entry) for entry in manifest["quarantined"]]
        answered = [
            AnsweredQuestion(question, rows[id].response)
            for id, question in stage.query.questions().items()
            if id in rows
        ]
        benchmark = stage.query.benchmark
        entries = [*answered, *rejected]
        runs[stage.mode] = score(benchmark, entries, scorer, unwrap, judge, _settings(stage))
        responses[stage.mode] = rows
        clock = datetime.strptime(manifest["sealed_at"], "%Y-%m-%dT%H:%M:%S%z")
        sealed_at[stage.mode] = clock.astimezone(LMMS_ZONE)
    return EvaluationSummary(
        runs=runs,
        responses=responses,
        sealed_at=sealed_at,
        comparisons=_comparisons(runs),
        latency=[] if latency is None else list(latency.rows(store)),
    )


def _comparisons(runs: dict[str, ScoredRun]) -> list[Difference]:
    try:
        return compare(runs)
    except DataError:  # no scored question in common: each run's summary says so
        return []


def _settings(stage: EvaluationStage) -> dict[str, Any]:
    """Return what the numbers depend on, besides the scorer."""
    return {
        "mode": stage.mode,
        "prompt": stage.query.prompt,
        "sampling": stage.query.sampling.model_dump(),
        "dtype": stage.dtype,
        "max_new_tokens": stage.max_new_tokens,
        "limit": stage.query.limit,
        "fingerprint": stage.fingerprint(),
    }


def write_summary(summary: EvaluationSummary, folder: Path, model: str) -> None:
    """Write a summary as files; the same summary gives the same files.

        summary.json             numbers, breakdowns, comparisons, latency
        <benchmark>_<mode>.jsonl one line per question, as `storm score` reads and writes it
        lmms_eval/<mode>/...     the same run in lmms-eval's format

    Args:
        summary: Finished evaluations.
        folder: Is made if needed.
        model: The model's name or path, for lmms-eval's files.
    """
    for mode, run in summary.runs.items():
        rows = summary.responses[mode]
        lines = "".join(
            json.dumps(line, ensure_ascii=False, default=str) + "\n" for line in _lines(run, rows)
        )
        write_atomic(folder / f"{run.benchmark.name}_{mode}.jsonl", lines.encode())
        prompts = {id: row.prompt for id, row in rows.items()}
        lmms_folder = folder / "lmms_eval" / mode
        write_lmms_files(run, lmms_folder, model, prompts, summary.sealed_at[mode])
    write_json(folder / "summary.json", summary.as_json())


def _lines(run: ScoredRun, rows: dict[str, Response]) -> list[dict[str, Any]]:
    return [
        {
            "id": scored.id,
            "task": scored.task,
            "doc": dict(scored.question.doc),
            "response": scored.raw,
            "extracted": scored.extracted,
            "score": scored.score,
            **{k: v for k, v in asdict(rows[scored.id]).items() if k not in ("id", "response")},
        }
        for scored in run.scored
    ]
