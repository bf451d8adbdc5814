"""VideoMME's formats: lmms-eval's samples, and the numbers of three harnesses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from storm.benchmarks.harness.harness import Harness, metric_of, percentage
from storm.benchmarks.types import ScoredResponse

METRIC = "videomme_perception_score"  # lmms-eval's name
_RENAMED = {"category": "domain", "task_category": "task_type"}  # its columns, ours


class VideoMMEHarness(Harness):
    """One task; each harness prints a percentage."""

    def metrics(self, scorer: str, scored: Sequence[ScoredResponse]) -> dict[str, float]:
        """Return a percentage; the other two harnesses leave out what they can't parse."""
        if scorer == "lmms_eval":
            return {f"videomme/{METRIC}": percentage([response.score for response in scored])}
        parsed = [response.score for response in scored if response.extracted]
        return {scorer: percentage(parsed)}

    def sample(self, scored: ScoredResponse) -> dict[str, Any]:
        """Return lmms-eval's sample, with the labels of the four axes."""
        labels = dict(scored.question.groups)
        sample = {
            "question_id": scored.id,
            "duration": labels["duration"],
            "category": labels["domain"],
            "sub_category": labels["sub_category"],
            "task_category": labels["task_type"],
            "pred_answer": scored.extracted,
            "answer": scored.question.answer,
            "score": scored.score,
            "videoID": scored.video_id,
        }
        return {METRIC: sample}

    def columns(self, sample: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the columns, which the metric repeats under other names."""
        metric = metric_of(sample, METRIC)
        return {_RENAMED.get(name, name): value for name, value in metric.items()}
