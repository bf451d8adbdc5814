"""MVBench's formats: lmms-eval's samples and metrics per task."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from storm.benchmarks.harness.harness import Harness, metric_of, percentage
from storm.benchmarks.types import ScoredResponse

METRIC = "mvbench_accuracy"  # lmms-eval's name
_OPTION_LINE = re.compile(r"^\(([A-E])\) (.*)$", re.MULTILINE)


class MVBenchHarness(Harness):
    """A task of lmms-eval for each task."""

    def task_name(self, task: str) -> str:
        """Return lmms-eval's name of a task."""
        return f"mvbench_{task}"

    def metrics(self, scorer: str, scored: Sequence[ScoredResponse]) -> dict[str, float]:
        """Return each task's percentage of right answers among those that are not empty."""
        if scorer != "lmms_eval":
            return {}
        return {
            f"mvbench_{task}/{METRIC}": percentage(
                [
                    response.score
                    for response in scored
                    if response.task == task and response.response
                ]
            )
            for task in dict.fromkeys(response.task for response in scored)
        }

    def sample(self, scored: ScoredResponse) -> dict[str, Any]:
        """Return lmms-eval's sample."""
        sample = {
            "pred_answer": scored.response,
            "gt_answer": scored.question.answer,
            "score": scored.score,
        }
        return {METRIC: sample}

    def columns(self, sample: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the candidates from the prompt; the video is unknown, so each counts alone."""
        letter = metric_of(sample, METRIC).get("gt_answer")
        options = dict(_OPTION_LINE.findall(str(sample.get("input", ""))))
        return {
            "video": f"of question {sample.get('doc_id')}",
            "candidates": list(options.values()),
            "answer": options.get(letter),
        }
