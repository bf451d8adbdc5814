"""TempCompass's formats: lmms-eval's samples and metrics, and its own prediction files."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from storm.benchmarks.harness.harness import Harness, metric_of, percentage
from storm.benchmarks.types import ScoredResponse


class TempCompassHarness(Harness):
    """A task of lmms-eval for each task, with a metric for each aspect (`dim`)."""

    def task_name(self, task: str) -> str:
        """Return lmms-eval's name of a task."""
        return f"tempcompass_{task.replace('-', '_')}"

    def metrics(self, scorer: str, scored: Sequence[ScoredResponse]) -> dict[str, float]:
        """Return each task's `avg_accuracy` and those of its aspects, in percent."""
        scores: dict[str, list[float | None]] = defaultdict(list)
        for response in scored:
            if response.score is not None:
                for metric in self.sample(response):
                    task = self.task_name(response.task)
                    scores[f"{task}/{metric}"].append(response.score)
        return {name: percentage(values) for name, values in scores.items()}

    def sample(self, scored: ScoredResponse) -> dict[str, Any]:
        """Return lmms-eval's sample, once for all aspects and once for its own."""
        ((_, dim),) = scored.question.groups
        sample = {
            "video_id": scored.video_id,
            "question": scored.question.doc["question"],
            "gt-answer": scored.question.answer,
            "video-llm-prediction": scored.response,
            "match_success": bool(scored.matched),
            "rating": scored.score,
            "dim": dim,
        }
        if scored.judge_text:
            sample["chatgpt_response"] = scored.judge_text
        return {"avg_accuracy": sample, f"{dim}_accuracy": sample}

    def columns(self, sample: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the columns, most of which the metric repeats."""
        metric = metric_of(sample, "avg_accuracy")
        return {**metric, "answer": metric.get("gt-answer")}

    def predictions(self, content: Any) -> Iterable[Mapping[str, Any]] | None:
        """Return the rows of the official repository's prediction file."""
        return flatten(content) if is_nested(content) else None


def is_nested(content: Any) -> bool:
    """Return whether a value is the official `{video: {dim: [{question, answer, ...}]}}`."""
    return isinstance(content, Mapping) and all(
        isinstance(dims, Mapping)
        and all(isinstance(rows, list) and all(map(_is_row, rows)) for rows in dims.values())
        for dims in content.values()
    )


def _is_row(row: Any) -> bool:
    return isinstance(row, Mapping)


def flatten(nested: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the rows of a nested file, with the columns `video_id` and `dim`."""
    for video_id, dims in nested.items():
        for dim, rows in dims.items():
            for row in rows:
                yield {"video_id": video_id, "dim": dim, **row}
