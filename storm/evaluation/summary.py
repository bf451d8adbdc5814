"""What evaluations come to: scores, breakdowns, comparisons and latency, as files and tables."""

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
class Evaluated:
    """One checkpoint on one benchmark, in every mode that it was asked in."""

    runs: dict[str, ScoredRun]  # by mode
    responses: dict[str, dict[str, Response]]  # by mode and question
    sealed_at: dict[str, datetime]
    comparisons: list[Difference]
    latency: list[Latency]

    def summary(self) -> dict[str, Any]:
        """All of it as one JSON value."""
        return {
            "modes": {mode: summary_of(run, aggregate(run)) for mode, run in self.runs.items()},
            "comparisons": [difference.as_json() for difference in self.comparisons],
            "latency": [asdict(one) for one in self.latency],
        }


def read(
    stages: Sequence[EvaluationStage],
    latency: LatencyStage | None,
    store: Store,
    scorer: str | None = None,
    unwrap: bool = False,
    judge: Judge | None = None,
) -> Evaluated:
    """Score sealed evaluations of one benchmark, a mode each; `latency`, if it was measured.

    Chains of thought are told to write `<answer>` tags: with one among the modes all are unwrapped.
    """
    unwrap = unwrap or any(stage.mode == "cot" for stage in stages)
    runs: dict[str, ScoredRun] = {}
    responses: dict[str, dict[str, Response]] = {}
    sealed_at: dict[str, datetime] = {}
    for stage in stages:
        manifest = stage.artifact(store).manifest()
        found = responses[stage.mode] = {row.id: row for row in stage.rows(store)}
        refused = [Rejected(**entry) for entry in manifest["quarantined"]]
        answered = [
            AnsweredQuestion(question, found[id].response)
            for id, question in stage.questions.items()
            if id in found
        ]
        runs[stage.mode] = score(
            stage.about, [*answered, *refused], scorer, unwrap, judge, _settings(stage)
        )
        clock = datetime.strptime(manifest["sealed_at"], "%Y-%m-%dT%H:%M:%S%z")
        sealed_at[stage.mode] = clock.astimezone(LMMS_ZONE)
    return Evaluated(
        runs=runs,
        responses=responses,
        sealed_at=sealed_at,
        comparisons=_comparisons(runs),
        latency=[] if latency is None else list(latency.rows(store)),
    )


def _comparisons(runs: dict[str, ScoredRun]) -> list[Difference]:
    try:
        return compare(runs)
    except DataError:  # nothing scored in common: each run's summary says so
        return []


def _settings(stage: EvaluationStage) -> dict[str, Any]:
    """What the numbers hang on, beside the scorer."""
    return {
        "mode": stage.mode,
        "prompt": stage.prompt,
        "sampling": stage.sampling.model_dump(),
        "dtype": stage.dtype,
        "max_new_tokens": stage.max_new_tokens,
        "limit": stage.limit,
        "fingerprint": stage.fingerprint,
    }


def write(evaluated: Evaluated, folder: Path, model: str) -> None:
    """Write into `folder`:

        summary.json             numbers, breakdowns, comparisons, latency
        <benchmark>_<mode>.jsonl a line a question, as `storm score` reads and writes it
        lmms_eval/<mode>/...     the same run in lmms-eval's own files

    Written again, the same files result.
    """
    for mode, run in evaluated.runs.items():
        found = evaluated.responses[mode]
        lines = [
            {
                "id": one.id,
                "task": one.task,
                "doc": dict(one.question.doc),
                "response": one.raw,
                "extracted": one.extracted,
                "score": one.score,
                **{k: v for k, v in asdict(found[one.id]).items() if k not in ("id", "response")},
            }
            for one in run.scored
        ]
        text = "".join(json.dumps(one, ensure_ascii=False, default=str) + "\n" for one in lines)
        write_atomic(folder / f"{run.benchmark.name}_{mode}.jsonl", text.encode())
        prompts = {id: row.prompt for id, row in found.items()}
        place = folder / "lmms_eval" / mode
        write_lmms_files(run, place, model, prompts, evaluated.sealed_at[mode])
    write_json(folder / "summary.json", evaluated.summary())
