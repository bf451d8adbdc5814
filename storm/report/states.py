"""How far each stage of a run is."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from storm.artifacts.journal import scan
from storm.artifacts.stage import Stage
from storm.artifacts.status import Known, State, status
from storm.artifacts.store import Store
from storm.profiles import Run


@dataclass(frozen=True)
class StageState:
    """The state of one stage's artifact.

    Attributes:
        stage: The stage's title.
        path: The artifact's folder, there or not.
        state: See `storm.artifacts.status.Status`.
        why: The reason for the state.
        done: Rows made so far.
        items: Items that were planned; None without a plan.
        quarantined: Items left out for a reason.
    """

    stage: str
    path: Path
    state: State
    why: str
    done: int
    items: int | None
    quarantined: int


def stage_states(run: Run) -> list[StageState]:
    """Return the state of every stage, inputs first."""
    known: Known = {}
    return [_state_of(stage, run.store, known) for stage in run.graph]


def _state_of(stage: Stage[Any], store: Store, known: Known) -> StageState:
    artifact, current = stage.artifact(store), status(stage, store, known)
    if current.state in ("complete", "stale"):
        manifest = artifact.manifest()
        rows, quarantined = manifest["rows"], len(manifest["quarantined"])
        counts = (rows, rows + quarantined, quarantined)
        return StageState(stage.title, artifact.path, current.state, current.why, *counts)
    if not artifact.has_plan():
        return StageState(stage.title, artifact.path, current.state, current.why, 0, None, 0)
    outcomes = [
        outcome
        for journal in artifact.path.glob("*.journal")
        for outcome in scan(journal, repair=False).values()
    ]
    quarantined = sum(outcome.rejected for outcome in outcomes)
    done, items = len(outcomes) - quarantined, len(artifact.plan().items)
    counts = (done, items, quarantined)
    return StageState(stage.title, artifact.path, current.state, current.why, *counts)
