"""MMVU's formats: lmms-eval's samples and its one metric."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from storm.benchmarks.harness.harness import Harness, metric_of, percentage
from storm.benchmarks.types import ScoredResponse

CHOICE, OPEN = "multiple-choice", "open-ended"
METRIC = "accuracy"  # lmms-eval's name
_QUESTION = re.compile(r"^Question:(.*?)\n(?:A: |Visual Information: )", re.DOTALL | re.MULTILINE)
_CHOICE_LINE = re.compile(r"^([A-E]): (.*)$", re.MULTILINE)


class MMVUHarness(Harness):
    """One task of lmms-eval for both kinds of questions."""

    def task_name(self, task: str) -> str:
        """Return lmms-eval's name of all tasks."""
        return "mmvu_val"

    def metrics(self, scorer: str, scored: Sequence[ScoredResponse]) -> dict[str, float]:
        """Return the accuracy over all questions whose subject lmms-eval knows."""
        if scorer != "lmms_eval":
            return {}
        known = [r for r in scored if _labels(r)["discipline"] != "other"]
        return {f"mmvu_val/{METRIC}": percentage([response.score for response in known])}

    def sample(self, scored: ScoredResponse) -> dict[str, Any]:
        """Return lmms-eval's sample."""
        sample = {
            "question_id": scored.id,
            "category": _labels(scored)["subject"],
            "pred_answer": scored.extracted,
            "answer": scored.question.answer,
            "correct": scored.score,
            "eval_method": "gpt-based" if scored.judge_text else "rule-based",
        }
        return {METRIC: sample}

    def columns(self, sample: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return question and choices from the prompt."""
        metric, prompt = metric_of(sample, METRIC), str(sample.get("input", ""))
        question = _QUESTION.search(prompt)
        choices = dict(_CHOICE_LINE.findall(prompt))
        return {
            "question_type": CHOICE if choices else OPEN,
            "question": question[1] if question else None,
            "choices": choices,
            "answer": metric.get("answer"),
            "metadata": {"subject": metric.get("category")},
        }


def _labels(scored: ScoredResponse) -> dict[str, str]:
    """Return a response's discipline and subject, whose axes are named `<task> by ...`."""
    prefix = f"{scored.task} by "
    return {axis.removeprefix(prefix): label for axis, label in scored.question.groups}
