"""Print the scores of benchmarks: what `storm score` and `storm evaluate` share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from storm.cli.app import print_table
from storm.evaluation.tables import accuracies, differences, latencies

if TYPE_CHECKING:
    from storm.benchmarks.comparison import Difference
    from storm.evaluation.summary import EvaluationSummary

_MAX_NAMED = 20  # rejected entries in the table; the JSON names all


def print_evaluation(summary: EvaluationSummary) -> None:
    """Print the scores of every mode, their differences and the latency."""
    for number, (mode, run) in enumerate(summary.as_json()["modes"].items()):
        if number:
            print()
        print_run(run, f"{run['benchmark']} {mode}")
    print_differences(summary.comparisons)
    if summary.latency:
        print()
        print_table(latencies(summary.latency))


def print_run(summary: Mapping[str, Any], title: str) -> None:
    """Print a run's `summary_of`: its table, then how it was scored and what is missing."""
    print_table(accuracies(summary, title))
    print()
    judge = summary["judge"] or "none"
    print(f"scorer {summary['scorer']}, version {summary['scorer_version']}; judge {judge}")
    print(
        f"{summary['n'] + summary['not_scored']} of {summary['expected']} questions, "
        f"{summary['tasks_present']} of {summary['tasks']} tasks"
    )
    if summary["match_rate"] is not None:
        print(f"decided by rule: {summary['match_rate']:.1%}")
    counts = Counter(entry["reason"] for entry in summary["rejected"])
    counts["empty responses"] = len(summary["empty"])
    counts["not scored"] = summary["not_scored"]
    for reason, count in counts.items():
        if count:
            print(f"{reason}: {count}")
    for entry in summary["rejected"][:_MAX_NAMED]:
        print(f"  {entry['id']}: {entry['detail']}")
    for name, value in summary["harness_metrics"].items():
        print(f"as printed by its harness: {name} {value:.4g}")


def print_differences(comparisons: Sequence[Difference]) -> None:
    """Print which differences between runs are significant, if there are several runs."""
    if not comparisons:
        return
    print()
    print_table(differences(comparisons))
    print("significant: p under 0.05 after Holm's correction for all comparisons of this table")
