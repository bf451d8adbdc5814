"""The stage `latency`."""

from __future__ import annotations

from pathlib import Path

from storm.artifacts.store import Store
from storm.evaluation.latency import PARTS
from tests.evaluation.builders import stage_of, timed


def test_latency_has_every_part_of_every_mode(checkpoint: Path, data: Path, tmp_path: Path) -> None:
    rows = timed(stage_of(checkpoint, data), Store(tmp_path))
    assert set(rows) == {f"{m}/{p}" for m in ("latent", "direct") for p in (*PARTS, "total")}
    assert {row.n for row in rows.values()} == {3}
    assert rows["direct/latents"].p95_seconds < rows["latent/latents"].median_seconds
    for mode in ("latent", "direct"):
        parts = [rows[f"{mode}/{part}"] for part in PARTS]
        assert rows[f"{mode}/decode"].median_seconds > 0
        assert rows[f"{mode}/total"].p95_seconds <= 1.001 * sum(p.p95_seconds for p in parts)
