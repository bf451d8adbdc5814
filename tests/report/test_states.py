"""How far each stage of a run is."""

from __future__ import annotations

from pathlib import Path

from storm.artifacts.plan import plan
from storm.profiles import Run
from storm.report.states import stage_states


def test_an_empty_root_misses_every_stage(tmp_path: Path) -> None:
    run = Run.open(tmp_path / "root", "smoke")
    states = stage_states(run)
    assert [state.stage for state in states] == [stage.title for stage in run.graph]
    assert {(s.state, s.done, s.items, s.quarantined) for s in states} == {("missing", 0, None, 0)}
    assert not any(state.path.exists() for state in states)


def test_a_planned_stage_has_its_items(tmp_path: Path) -> None:
    run = Run.open(tmp_path / "root", "smoke")
    videos = run.graph.find("videos")
    planned = plan(videos, run.store)
    (state,) = [state for state in stage_states(run) if state.stage == "videos"]
    assert (state.state, state.done, state.items) == ("partial", 0, len(planned.items))
