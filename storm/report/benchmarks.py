"""The benchmarks that a profile names, scored."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from storm.benchmarks.judge import ChatJudge
from storm.evaluation import tables
from storm.evaluation.summary import EvaluationSummary, summarize, write_summary
from storm.pipeline.benchmarks import benchmark_stages
from storm.profiles import Run


def scored_benchmarks(run: Run) -> Iterator[tuple[str, EvaluationSummary]]:
    """Yield title and scores of each benchmark whose answers and latency are sealed."""
    for asked in benchmark_stages(run.config, run.graph.find("stage_two")):
        stages = [stage for stage in (*asked.evaluations, asked.latency) if stage is not None]
        if not all(stage.artifact(run.store).is_sealed() for stage in stages):
            continue
        config = asked.benchmark
        judge = ChatJudge(config.judge, run.store.root / "judge") if config.judge else None
        yield (
            config.title,
            summarize(
                asked.evaluations,
                asked.latency,
                run.store,
                config.scorer,
                config.unwrap_answer,
                judge,
            ),
        )


def write_benchmarks(run: Run) -> dict[Path, EvaluationSummary]:
    """Write each scored benchmark to `<root>/reports/<profile>/<title>`.

    Returns:
        The scores, by the folder they were written to.
    """
    reports = run.store.root / "reports" / run.config.name
    model = f"{run.config.name}/{run.graph.find('stage_two').fingerprint()[:16]}"
    written: dict[Path, EvaluationSummary] = {}
    for title, scores in scored_benchmarks(run):
        write_summary(scores, reports / title, model)
        written[reports / title] = scores
    return written


def benchmark_tables(scores: EvaluationSummary) -> list[tables.Table]:
    """Return one table of accuracies for each mode, then differences and latency if measured."""
    modes = scores.as_json()["modes"].items()
    shown = [tables.accuracies(summary, mode) for mode, summary in modes]
    if scores.comparisons:
        shown.append(tables.differences(scores.comparisons))
    if scores.latency:
        shown.append(tables.latencies(scores.latency))
    return shown
