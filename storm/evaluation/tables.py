"""Format evaluation results as text tables, a header first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from storm.benchmarks.comparison import Difference
from storm.records import Latency

Table = list[tuple[str, ...]]


def accuracies(summary: Mapping[str, Any], title: str) -> Table:
    """Return the headline and every breakdown of a run's `summary_of`."""
    rows: Table = [("questions", "n", "accuracy", "95 % interval"), (title, *_cells(summary))]
    for axis, parts in summary["breakdown"].items():
        rows += [(f"  {axis}: {value}", *_cells(number)) for value, number in parts.items()]
    return rows


def _cells(number: Mapping[str, Any]) -> tuple[str, str, str]:
    if number["accuracy"] is None:
        return str(number["n"]), "not scored", ""
    low, high = number["ci95"]
    return str(number["n"]), f"{number['accuracy']:.1%}", f"{low:.1%} to {high:.1%}"


def differences(comparisons: Sequence[Difference]) -> Table:
    """Return differences between runs in points of accuracy, and what may be said of them."""
    rows: Table = [
        ("first", "second", "difference", "95 % interval", "p", "p (Holm)", "n", "verdict")
    ]
    for one in comparisons:
        d = one.found
        interval = f"{100 * d.low:+.1f} to {100 * d.high:+.1f}"
        numbers = (f"{100 * d.value:+.1f}", interval, f"{d.p:.4f}", f"{d.p_holm:.4f}", str(d.n))
        rows.append((one.first, one.second, *numbers, d.verdict))
    return rows


def latencies(rows: Sequence[Latency]) -> Table:
    """Return milliseconds at batch 1, median and p95: a row per mode, a column per part."""
    parts = list(dict.fromkeys(row.part for row in rows))
    by_cell = {(row.mode, row.part): row for row in rows}
    table: Table = [("ms at batch 1, median (p95)", *parts, "questions")]
    for mode in dict.fromkeys(row.mode for row in rows):
        cells = [by_cell[mode, part] for part in parts]
        texts = (f"{1e3 * c.median_seconds:.1f} ({1e3 * c.p95_seconds:.1f})" for c in cells)
        table.append((mode, *texts, str(cells[0].n)))
    return table
