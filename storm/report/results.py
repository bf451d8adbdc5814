"""The results of a run: one JSON value, or a table."""

from __future__ import annotations

import shlex
from typing import Any

from storm.errors import NotSealed
from storm.evaluation.results import as_json
from storm.profiles import Run


def read_results(run: Run) -> dict[str, Any]:
    """Return `{"arms": {name: {accuracy, ci95, n, seed, ...}}, "chance": ...}`.

    Accuracies are shares from 0 to 1.

    Raises:
        NotSealed: If the results are not made yet.
    """
    stage = run.graph.find("results")
    if not stage.artifact(run.store).sealed:
        raise NotSealed(
            f"expected results under {run.store.root}, found none of this profile; "
            f"run: storm run {shlex.join(run.options)}"
        )
    return as_json(stage.rows(run.store))


def results_table(results: dict[str, Any]) -> list[list[str]]:
    """Return the results as rows of text, the header first; accuracies in percent."""
    rows = [["arm", "accuracy %", "95 % interval", "questions"]]
    for name, arm in results["arms"].items():
        rows.append(_accuracy_row(name, arm))
        for measure, share in arm.get("interventions", {}).items():
            text = measure.replace("_follows_donor", ": answer follows the donor")
            rows.append([f"  latents {text}", f"{100 * share:.1f}", "", ""])
        by_swaps = sorted(arm.get("by_swaps", {}).items(), key=lambda entry: int(entry[0]))
        rows += [_accuracy_row(f"  at {swaps} swaps", scores) for swaps, scores in by_swaps]
    rows.append(["chance", f"{100 * results['chance']:.1f}", "", ""])
    return rows


def _accuracy_row(name: str, scores: dict[str, Any]) -> list[str]:
    low, high = scores["ci95"]
    interval = f"{100 * low:.1f} to {100 * high:.1f}"
    return [name, f"{100 * scores['accuracy']:.1f}", interval, str(scores["n"])]
