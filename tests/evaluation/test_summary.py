"""Summaries of finished evaluations."""

from __future__ import annotations

from pathlib import Path

from storm.artifacts.store import Store
from storm.evaluation.summary import summarize
from tests.evaluation.builders import make_here, stage_of


def test_with_a_chain_of_thought_all_modes_are_scored_unwrapped(
    checkpoint: Path, data: Path, tmp_path: Path
) -> None:
    store = Store(tmp_path)
    stages = [stage_of(checkpoint, data, mode=mode, limit=2) for mode in ("latent", "cot")]
    for stage in stages:
        make_here(stage, store)
    for chosen, unwrapped in ((stages, True), (stages[:1], False)):
        summary = summarize(chosen, None, store).as_json()["modes"]
        assert {one["unwrap_answer"] for one in summary.values()} == {unwrapped}
