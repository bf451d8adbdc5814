"""What an evaluation looks like: tables of text, a header first, for a terminal or a page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from storm.benchmarks.comparison import Difference
from storm.records import Latency

Table = list[tuple[str, ...]]


def accuracies(summary: Mapping[str, Any], title: str) -> Table:
    """The headline of a `summary_of` and every breakdown."""
    rows: Table = [("questions", "n", "accuracy", "95 % interval"), (title, *_cells(summary))]
    for axis, parts in summary["breakdown"].items():
        rows += [(f"  {axis}: {value}", *_cells(number)) for value, number in parts.items()]
    return rows


def _cells(number: Mapping[str, Any]) -> tuple[str, str, str]:
    if number["accuracy"] is None:
        return str(number["n"]), "not scored", ""
    low, high = number["ci95"]
    return str(number["n"]), f"{number['accuracy']:.1%}", f"{low:.1%} to {high:.1%}"


def differences(found: Sequence[Difference]) -> Table:
    """Points of accuracy between two runs, and whether they hold for the whole table."""
    rows: Table = [
        ("first", "second", "difference", "95 % interval", "p", "p (Holm)", "n", "significant")
    ]
    for one in found:
        interval = f"{100 * one.low:+.1f} to {100 * one.high:+.1f}"
        numbers = (f"{100 * one.value:+.1f}", interval, f"{one.p:.4f}", f"{one.p_holm:.4f}")
        rows.append(
            (one.first, one.second, *numbers, str(one.n), "yes" if one.significant else "no")
        )
    return rows


def latencies(found: Sequence[Latency]) -> Table:
    """Milliseconds at batch 1, median and p95: a row a mode, a column a part."""
    parts = list(dict.fromkeys(one.part for one in found))
    cells = {(one.mode, one.part): one for one in found}
    rows: Table = [("ms at batch 1, median (p95)", *parts, "questions")]
    for mode in dict.fromkeys(one.mode for one in found):
        row = [cells[mode, part] for part in parts]
        shown = (f"{1e3 * c.median_seconds:.1f} ({1e3 * c.p95_seconds:.1f})" for c in row)
        rows.append((mode, *shown, str(row[0].n)))
    return rows
