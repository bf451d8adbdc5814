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
    if not stage.artifact(run.store).is_sealed():
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
        for intervention, shares in arm.get("interventions", {}).items():
            rows.append(_share_row(f"  latents {intervention}", shares["accuracy"]))
            if "follows_donor" in shares:
                text = f"  latents {intervention}: answer follows the donor"
                rows.append(_share_row(text, shares["follows_donor"]))
        variants = arm.get("variants", {})
        for variant in sorted(variants, key=lambda name: (len(name), name)):  # 4 before 16 swaps
            rows.append(_accuracy_row(f"  at {variant}", variants[variant]))
    rows.append(_share_row("chance", results["chance"]))
    return rows


def _share_row(name: str, share: float) -> list[str]:
    return [name, f"{100 * share:.1f}", "", ""]


def _accuracy_row(name: str, scores: dict[str, Any]) -> list[str]:
    low, high = scores["ci95"]
    interval = f"{100 * low:.1f} to {100 * high:.1f}"
    return [name, f"{100 * scores['accuracy']:.1f}", interval, str(scores["n"])]
