"""The harness of a benchmark: its task names, sample lines and metrics, to write and to read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from storm.benchmarks.types import ScoredResponse
from storm.videos.questions.values import BadEntry


class Harness:
    """Formats of a benchmark that no other harness knows; subclasses describe known ones."""

    def task_name(self, task: str) -> str:
        """Return lmms-eval's name of a task."""
        return task

    def sample(self, scored: ScoredResponse) -> dict[str, Any]:
        """Return a response as in lmms-eval's samples file: a value per metric."""
        return {"score": {"score": scored.score, "pred_answer": scored.extracted}}

    def columns(self, sample: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the data set's columns that a line of lmms-eval's samples file implies.

        Raises:
            BadEntry: With the reason `missing_column`.
        """
        raise BadEntry("missing_column", f"expected 'doc', found {sorted(sample)}")

    def metrics(self, scorer: str, scored: Sequence[ScoredResponse]) -> dict[str, float]:
        """Return the numbers that the scorer's own harness prints, in its units.

        Those of lmms-eval are keyed by `task/metric` in its words.
        """
        return {}

    def predictions(self, content: Any) -> Iterable[Mapping[str, Any]] | None:
        """Return the rows of a prediction file of the data set's own repository.

        Args:
            content: The value of a JSON file.

        Returns:
            Columns and `prediction` of each row; None if the content is no such file.
        """
        return None


def percentage(scores: Sequence[float | None]) -> float:
    """Return the percentage of right ones, 0 of none, as lmms-eval prints it."""
    return 100 * sum(score or 0.0 for score in scores) / max(1, len(scores))


def metric_of(sample: Mapping[str, Any], metric: str) -> Mapping[str, Any]:
    """Return a metric of a line of lmms-eval's samples; raises BadEntry if it is missing."""
    value = sample.get(metric)
    if not isinstance(value, Mapping):
        raise BadEntry("missing_column", f"expected 'doc' or {metric!r}, found {sorted(sample)}")
    return value
