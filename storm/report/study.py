"""The table of a study."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from storm.evaluation.intervention_names import NO_INTERVENTION


def study_table(found: Mapping[str, Any]) -> list[list[str]]:
    """Return a row for each arm of `storm.evaluation.study.study_of`, the header first.

    Accuracies and differences are in percent; p is Holm's, over all differences.
    """
    differences = {
        d["against"]: d for d in found["differences"] if d["condition"] == NO_INTERVENTION
    }
    rows = [
        [
            *("arm", "role", "accuracy %", "by seed", "steps"),
            *("storm minus it", "95 % interval", "p (Holm)"),
        ]
    ]
    for name, arm in found["arms"].items():
        seeds = arm["accuracy"]
        row = [
            name,
            arm["role"],
            f"{100 * sum(seeds) / len(seeds):.1f}",
            ", ".join(f"{100 * share:.1f}" for share in seeds),
            f"{sum(arm['steps']) / len(seeds):.1f}",
        ]
        if name in differences:
            d = differences[name]
            low, high = (100 * end for end in d["ci95"])
            row += [f"{100 * d['value']:+.1f}", f"{low:+.1f} to {high:+.1f}", f"{d['p']:.4f}"]
        rows.append([*row, *[""] * (8 - len(row))])
    if found["chance"] is not None:
        rows.append(["chance", "", f"{100 * found['chance']:.1f}", *[""] * 5])
    return rows
